"""What a device can do: CUDA graphs, precision, several processes."""
