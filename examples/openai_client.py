"""Ask a running server for faces, as any client of the OpenAI Images API does.

text2face serve --port 8000
python examples/openai_client.py http://127.0.0.1:8000/v1
"""

import base64
import sys
from pathlib import Path

from openai import OpenAI

address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1"
client = OpenAI(base_url=address, api_key="none")
answer = client.images.generate(
    prompt="a smiling woman with long red hair",
    n=2,
    response_format="b64_json",
    extra_body={"seed": 7},
)
for number, image in enumerate(answer.data or []):
    Path(f"face{number}.png").write_bytes(base64.b64decode(image.b64_json or ""))
