-- What wrk sends: a text to count.
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain"
wrk.body = "the quick brown fox jumps over the lazy dog"
