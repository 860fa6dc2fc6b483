"""The canonical model: what every frontend decodes to and every backend runs. Pure data; stdlib and numpy only."""
