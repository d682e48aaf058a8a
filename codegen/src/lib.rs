//! How the machine does it: fusion, kernels, schedules, machine code.
