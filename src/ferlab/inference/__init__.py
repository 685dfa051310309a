"""An exported model at work, without torch: detector, predictor, video, label orders."""
