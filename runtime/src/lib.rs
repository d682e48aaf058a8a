//! Running it: storage, arena, threads, executable.
