"""The kopf feed: the latest state of every fed object into the cache, whatever befalls the API server."""

from integration_hub.handlers.feed.streams import FeedState, StreamState
from integration_hub.handlers.feed.supervisor import Feed

__all__ = ["Feed", "FeedState", "StreamState"]
