"""Fetch an object, or store one, with the role of the instance: no key and no signed address is written anywhere.

It runs on the builder, with Debian's own Python and its package python3-botocore (1.29 in Debian 12).

    transfer.py get KEY FILE SHA256
    transfer.py put KEY FILE

$REGION and $BUCKET say where; $ENCRYPTION is JSON, further parameters of PutObject.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from botocore.session import get_session


def main(verb: str, key: str, file: str, sha256: str = "") -> None:
    """Do one of the two; any error ends the process."""
    s3: Any = get_session().create_client("s3", region_name=os.environ["REGION"])
    where = {"Bucket": os.environ["BUCKET"], "Key": key}
    if verb == "put":
        s3.put_object(**where, Body=Path(file).read_bytes(), **json.loads(os.environ["ENCRYPTION"]))
        return
    content = s3.get_object(**where)["Body"].read()
    if hashlib.sha256(content).hexdigest() != sha256:
        sys.exit(f"{key} is not what was uploaded: its SHA-256 is not {sha256}")
    Path(file).write_bytes(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
