"""What the embedded exchange does wrong when it is asked to, on a schedule that is
the same for the same seed. Decisions are pure; `line` alone carries some out."""
