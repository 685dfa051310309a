"""Files of exported models; `ferlab.inference.models` finds them here."""
