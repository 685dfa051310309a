"""A predictor in torch in, an ONNX file out, held against torch."""
