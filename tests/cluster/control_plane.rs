//! The API server, the controller manager and the scheduler.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::components::Components;
use super::namespaces::NODE_ADDRESS;
use super::pki::{ADMINISTRATORS, Leaf, Pki};
use super::processes::{self, Processes};
use super::run::Run;
use super::running::Running;

/// Addresses of Services; the first is the API server's, the tenth the DNS server's.
pub(crate) const SERVICES: &str = "10.96.0.0/16";
const API_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1));

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Two seconds when nobody else needs the machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Where the API server and its store listen.
pub(crate) struct Endpoints {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) etcd_port: u16,
}

impl Endpoints {
    /// In a network of one's own: the usual ports, on all addresses.
    pub(crate) const OWN_NETWORK: Self = Self { address: NODE_ADDRESS, port: 6443, etcd_port: 2379 };

    /// On the machine's loopback: whatever is free.
    pub(crate) fn on_loopback() -> Result<Self> {
        let (one, other) = (TcpListener::bind((LOOPBACK, 0))?, TcpListener::bind((LOOPBACK, 0))?);
        Ok(Self { address: LOOPBACK, port: one.local_addr()?.port(), etcd_port: other.local_addr()?.port() })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.address, self.port)
    }
}

/// Credentials that all three share.
pub(crate) struct Credentials {
    service_account_key: PathBuf,
    service_account_public: PathBuf,
    serving: Leaf,
    to_kubelets: Leaf,
}

impl Credentials {
    /// Makes them, and the administrator's kubeconfig.
    pub(crate) fn create(pki: &Pki, endpoints: &Endpoints, run: &Run) -> Result<Self> {
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let administrator = pki.client("administrator", "administrator", Some(ADMINISTRATORS))?;
        pki.kubeconfig(&run.path("kubeconfig"), &endpoints.url(), &administrator)?;
        let (service_account_key, service_account_public) = pki.service_accounts()?;
        Ok(Self {
            service_account_key,
            service_account_public,
            serving: pki.server("kube-apiserver", &names, &[LOOPBACK, NODE_ADDRESS, API_SERVICE])?,
            to_kubelets: pki.client("to-kubelets", "kube-apiserver", Some(ADMINISTRATORS))?,
        })
    }
}

/// Starts the API server.
pub(crate) fn start_apiserver(
    components: &Components,
    pki: &Pki,
    credentials: &Credentials,
    endpoints: &Endpoints,
    processes: &mut Processes,
) -> Result<()> {
    let path = |path: &PathBuf| path.display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers=http://127.0.0.1:{}", endpoints.etcd_port),
        format!("--secure-port={}", endpoints.port),
        format!("--service-cluster-ip-range={SERVICES}"),
        format!("--client-ca-file={}", path(&pki.ca())),
        format!("--tls-cert-file={}", path(&credentials.serving.certificate)),
        format!("--tls-private-key-file={}", path(&credentials.serving.key)),
        format!("--kubelet-certificate-authority={}", path(&pki.ca())),
        format!("--kubelet-client-certificate={}", path(&credentials.to_kubelets.certificate)),
        format!("--kubelet-client-key={}", path(&credentials.to_kubelets.key)),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", path(&credentials.service_account_public)),
        format!("--service-account-signing-key-file={}", path(&credentials.service_account_key)),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--enable-aggregator-routing=true".to_owned(), // a webhook's Service leads straight to its endpoints
        "--allow-privileged=true".to_owned(),
    ];
    if endpoints.address.is_loopback() {
        arguments.extend([
            format!("--bind-address={LOOPBACK}"),
            "--advertise-address=192.0.2.1".to_owned(), // it insists on one; nobody is told of it
            "--endpoint-reconciler-type=none".to_owned(),
        ]);
    } else {
        arguments.extend([
            format!("--advertise-address={}", endpoints.address),
            "--endpoint-reconciler-type=lease".to_owned(), // pods reach it by its ClusterIP
        ]);
    }
    processes.start("kube-apiserver", components.need("kube-apiserver")?, &arguments)
}

/// Waits until the API server says that it is ready.
pub(crate) fn wait_for_apiserver(running: &Running, processes: &mut Processes) -> Result<()> {
    processes.wait("kube-apiserver", LIMIT, || {
        processes::answer(running.kubectl().args(["get", "--raw", "/readyz", "--request-timeout=5s"]))
            .map(drop)
    })
}

/// Starts the controller manager and the scheduler where they are to be had; says who is missing.
pub(crate) fn start_controllers(
    components: &Components,
    pki: &Pki,
    credentials: &Credentials,
    endpoints: &Endpoints,
    run: &Run,
    processes: &mut Processes,
) -> Result<Result<(), String>> {
    let kubeconfig = |name: &'static str| -> Result<String> {
        let client = pki.client(name, &format!("system:{name}"), None)?;
        let path = run.path(format!("{name}.kubeconfig"));
        pki.kubeconfig(&path, &endpoints.url(), &client)?;
        Ok(format!("--kubeconfig={}", path.display()))
    };
    let common = ["--leader-elect=false", "--secure-port=0"].map(str::to_owned);
    let manager = match components.get("kube-controller-manager") {
        Ok(program) => program,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut arguments = vec![
        kubeconfig("kube-controller-manager")?,
        format!("--service-account-private-key-file={}", credentials.service_account_key.display()),
        format!("--root-ca-file={}", pki.ca().display()),
        format!("--cluster-signing-cert-file={}", pki.ca().display()),
        format!("--cluster-signing-key-file={}", pki.ca_key().display()),
        "--use-service-account-credentials".to_owned(),
        "--kube-api-qps=200".to_owned(), // with the default, the first service account takes 10 s
        "--kube-api-burst=400".to_owned(),
    ];
    arguments.extend(common.clone());
    processes.start("kube-controller-manager", manager, &arguments)?;
    let scheduler = match components.get("kube-scheduler") {
        Ok(program) => program,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut arguments = vec![kubeconfig("kube-scheduler")?];
    arguments.extend(common);
    processes.start("kube-scheduler", scheduler, &arguments)?;
    Ok(Ok(()))
}

/// Waits until pods can be created in the default namespace.
pub(crate) fn wait_for_service_account(running: &Running, processes: &mut Processes) -> Result<()> {
    let mut get = running.kubectl();
    get.args([
        "get",
        "serviceaccount",
        "default",
        "--namespace=default",
        "--output=name",
        "--request-timeout=5s",
    ]);
    processes
        .wait("kube-controller-manager", LIMIT, || processes::answer(&mut get).map(drop))
        .context("the controllers do not work")
}
