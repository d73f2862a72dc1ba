# Inside of the image: user, package, model.
. /mnt/settings
useradd --system --create-home --home-dir "$STATE" --shell /usr/sbin/nologin burstlens
install --directory --owner burstlens --group burstlens "$CACHE"
python3 -m venv "$PREFIX"
"$PREFIX/bin/pip" install --quiet --no-cache-dir --no-index --find-links /mnt/wheels "burstlens[$EXTRAS]==$VERSION"
"$PREFIX/bin/pip" uninstall --quiet --yes setuptools pip
setpriv --reuid burstlens --regid burstlens --clear-groups -- \
    env "BURSTLENS_CACHE=$CACHE" HOME="$STATE" "$PREFIX/bin/burstlens" model verify "$MODEL"
"$PREFIX/bin/burstlens" --version >/mnt/installed
[ "$(cat /mnt/installed)" = "burstlens $VERSION" ]
