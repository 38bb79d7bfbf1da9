//! The commands: one file each; print and exit, no logic of their own.
