# The package, in an environment of its own.
python3 transfer.py get "$WHEEL_KEY" "$WHEEL" "$WHEEL_SHA256"
python3 -m venv "$PREFIX"
"$PREFIX/bin/pip" install --no-cache-dir "./$WHEEL[$EXTRAS]"
