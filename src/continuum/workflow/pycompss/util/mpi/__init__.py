"""What programs ask in MPI processes."""
