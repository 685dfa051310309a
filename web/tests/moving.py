"""Screenshots in, one moving picture out: python web/tests/moving.py FOLDER FILE.webp MS_A_FRAME"""

import sys
from pathlib import Path

from PIL import Image

WIDTH = 860  # px

folder, out, ms = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
pictures = [Image.open(file).convert("RGB") for file in sorted(folder.iterdir())]
size = (WIDTH, round(WIDTH * pictures[0].height / pictures[0].width))
small = [picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures]
small[0].save(out, save_all=True, append_images=small[1:], duration=ms, loop=0, quality=70, method=4)
