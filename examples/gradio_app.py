"""A page with a picture on it, its faces framed.

pip install ferlab gradio
python examples/gradio_app.py
"""

import gradio
from PIL import Image

from ferlab import Predictor

predictor = Predictor()
Framed = tuple[Image.Image, list[tuple[tuple[int, int, int, int], str]]]


def faces(picture: Image.Image) -> Framed:
    """A picture, and a box (left, top, right, bottom) with a label for each of its faces."""
    boxes = []
    for face in predictor(picture):
        left, top, width, height = map(int, face.detection.box)
        corners = (max(left, 0), max(top, 0), min(left + width, picture.width), min(top + height, picture.height))
        boxes.append((corners, f"{face.label} {face.confidence:.0%}"))
    return picture, boxes


demo = gradio.Interface(faces, gradio.Image(type="pil"), gradio.AnnotatedImage(), title="ferlab")

if __name__ == "__main__":
    demo.launch()
