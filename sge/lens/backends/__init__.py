"""What runs a lens's network: torch, or ONNX Runtime on an exported file."""
