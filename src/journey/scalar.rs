//! From a byte of a scalar's text to its place in the file, so that a finding inside a rule points at its own line.
