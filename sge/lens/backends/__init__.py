"""What runs a lens's network: torch, or ONNX Runtime or OpenVINO on an exported file."""
