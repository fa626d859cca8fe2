"""Containers of recordings: plain lines, gzip members, zstd frames. Pure.

A compressed recording is a row of whole frames: a gzip member or a zstd frame for each
batch of lines, with a checksum. A reader that opens the file at any moment between two
writes can read all of the file, and after a kill at most the last frame is torn. The
end of the last whole frame is found from the back of the file, without reading the
file.

Files of other programs are read too: one large frame, frames without a checksum,
skippable frames. Such a file is read forwards, in bounded memory.

`container` tells what a container can do, `registry` lists the containers. What gzip
and zstd have in common is in `compressed`.

Sources: RFC 1952 (gzip), RFC 8878 (zstd).
"""
