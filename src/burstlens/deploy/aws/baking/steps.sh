# Each step must succeed. First what the units need, then nothing of this machine may stay for its copies.
sh -eux ./install.sh
useradd --system --create-home --home-dir "$STATE" --shell /usr/sbin/nologin burstlens
install --directory --owner burstlens --group burstlens "$CACHE"
runuser --user burstlens -- env "BURSTLENS_CACHE=$CACHE" "$PREFIX/bin/burstlens" model verify "$MODEL"
"$PREFIX/bin/burstlens" --version >installed
apt-get clean
truncate --size 0 /etc/machine-id
cloud-init clean --logs
