"""What controller-runtime is to Go: queue, cache, relist, due times, status writer, leader election."""
