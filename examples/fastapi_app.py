"""A web service: a picture in, its faces as JSON out.

pip install ferlab fastapi uvicorn python-multipart
uvicorn fastapi_app:app --app-dir examples
curl -F picture=@photo.jpg http://127.0.0.1:8000/faces
"""

from typing import Annotated, Any

from fastapi import FastAPI, File, HTTPException

from ferlab import Predictor
from ferlab.errors import FerlabError

app = FastAPI()
predictor = Predictor()


@app.post("/faces")
def faces(picture: Annotated[bytes, File()]) -> dict[str, Any]:
    """FastAPI calls a `def` in threads, which share the predictor."""
    try:
        return predictor(picture).to_dict()
    except FerlabError as error:  # what the user can mend, in one line
        raise HTTPException(422, str(error)) from None
