"""The kopf feed: every fed object's latest state into the runtime's cache, whatever happens to the API server."""

from integration_hub.handlers.feed.streams import FeedState, StreamState
from integration_hub.handlers.feed.supervisor import Feed

__all__ = ["Feed", "FeedState", "StreamState"]
