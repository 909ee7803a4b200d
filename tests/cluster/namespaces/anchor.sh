# The first process of a run's namespaces. $1: the file that says that they are ready.
set -e

# What is mounted here stays here, and the pods may share it among themselves.
mount --make-rshared /

# Places that the components name in their code are this run's own: sockets of shims, pods' network
# namespaces, device plugins, the network plugins' notes, links to the containers' logs.
for place in /run /var/lib/kubelet /var/lib/cni /var/log/containers; do
    mkdir -p "$place"
    mount -t tmpfs -o mode=0755 mail-egress "$place"
done

touch "$1"

# Process 1 adopts what loses its parent; `wait` buries it.
trap 'exit 0' TERM
while :; do
    sleep 86400 &
    wait $!
done
