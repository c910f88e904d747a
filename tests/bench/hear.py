"""A watch's bare client: of each line that comes from URL, when (ns since the epoch); an empty line says that it listens."""
import sys
import time
import urllib.request

with urllib.request.urlopen(sys.argv[1]) as stream:
    print("", flush=True)
    for _ in stream:
        print(time.time_ns(), flush=True)
