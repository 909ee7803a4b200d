//! The cluster test bed as a program: a real Kubernetes on this machine, up and down by one command.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use mail_egress_tests::cluster::{self, Cluster, Image, Node, Options, Progress, Running, Standing, State};

const EXAMPLES: &str = "\
Examples:
  cluster up                                start, stay until Ctrl-C, take it down
  cluster up --detach                       start, and leave it running in the background
  cluster kubectl -- get pods -A            ask its API server
  cluster exec -- curl -k https://10.244.0.1:6443/version
                                            run a program in its network
  cluster load localhost/tool:1 target/debug/tool
                                            an image for pods, of an ordinary build
  cluster status --output json              what there is
  cluster down                              take it down
  cluster prepare                           only install and build what a start needs

Pods find the images localhost/app:1 (busybox: sh, nc, nslookup …) and localhost/pause:1 on the node; say
imagePullPolicy: Never. The node's address, 10.244.0.1, also answers to smtp.lab.test, login.lab.test and
graph.lab.test in the cluster's DNS.";

/// A real Kubernetes on one machine: etcd, API server, controllers, DNS, and a node that runs pods.
///
/// The first start installs Debian packages and builds Kubernetes, which takes minutes; every later one
/// takes seconds. Without root there is a control plane, and no node.
#[derive(Parser)]
#[command(name = "cluster", after_help = EXAMPLES)]
struct Arguments {
    /// Say nothing but errors and what was asked for
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start a cluster and stay until Ctrl-C
    Up {
        /// Return when it is up, and leave it running
        #[arg(long)]
        detach: bool,
        /// Only the control plane: pods stay pending
        #[arg(long)]
        no_node: bool,
        /// Another name that the cluster's DNS answers with the node's address
        #[arg(long = "host", value_name = "NAME")]
        hosts: Vec<String>,
    },
    /// Take a cluster down
    Down {
        /// Which one, when there are several
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
    },
    /// Run kubectl as the cluster's administrator
    Kubectl {
        /// Which cluster, when there are several
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
        /// What kubectl is to do
        #[arg(last = true, required = true)]
        arguments: Vec<String>,
    },
    /// Run a program in the cluster's network, with KUBECONFIG set
    Exec {
        /// Which cluster, when there are several
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Make an image of a program and what it is linked to, and give it to the node
    Load {
        /// Which cluster, when there are several
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
        /// Add busybox: a shell and the like
        #[arg(long)]
        busybox: bool,
        /// What pods call it, in full: localhost/tool:1
        image: String,
        /// The program; inside it lies in /
        program: PathBuf,
    },
    /// Say which clusters there are
    Status {
        /// How to say it
        #[arg(long, short, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Only install and build what a start needs
    Prepare {
        /// Only for the control plane
        #[arg(long)]
        no_node: bool,
    },
    /// Remove what dead runs left; a start does so too
    Clean,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match act(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "what was asked for goes to standard output")]
fn act(arguments: &Arguments) -> Result<()> {
    let progress = if arguments.quiet { Progress::SILENT } else { Progress::STDERR };
    match &arguments.command {
        Action::Up { detach: true, no_node, hosts } => detach(arguments.quiet, *no_node, hosts),
        Action::Up { detach: false, no_node, hosts } => {
            let mut options = Options { node: !no_node, progress, ..Options::default() };
            options.hosts.extend(hosts.iter().cloned());
            let cluster = Cluster::start(&options)?;
            introduce(cluster.running());
            loop {
                thread::park(); // Ctrl-C takes the cluster down and ends the process
            }
        }
        Action::Down { cluster } => {
            let id = cluster::down(cluster.as_deref(), progress)?;
            println!("{id} is gone");
            Ok(())
        }
        Action::Kubectl { cluster, arguments } => {
            let running = Running::find(cluster.as_deref())?;
            running.check()?;
            become_program(running.kubectl().args(arguments), "kubectl")
        }
        Action::Exec { cluster, command } => {
            let running = Running::find(cluster.as_deref())?;
            let (program, arguments) = command.split_first().context("no command")?;
            let mut command = running.command(program);
            become_program(command.args(arguments).env("KUBECONFIG", running.kubeconfig()), program)
        }
        Action::Load { cluster, busybox, image, program } => {
            let name = program.file_name().context("that is no program")?.to_string_lossy();
            let inside = format!("/{name}");
            // nobody in particular, so that pods may say runAsNonRoot
            let mut image =
                Image::new(image).program(program, &inside).entrypoint([inside]).user("65532:65532");
            if *busybox {
                image = image.busybox();
            }
            Running::find(cluster.as_deref())?.load_image(&image)
        }
        Action::Status { output } => status(*output),
        Action::Prepare { no_node } => match cluster::prepare(!no_node, progress)? {
            Node::Absent { reason } if !no_node => bail!("there can be no node: {reason}"),
            _ => Ok(()),
        },
        Action::Clean => {
            for id in cluster::sweep(progress)? {
                println!("{id} is gone");
            }
            Ok(())
        }
    }
}

/// The program's exit code becomes ours.
fn become_program(command: &mut Command, name: &str) -> Result<()> {
    Err(command.exec()).with_context(|| format!("cannot run {name}"))
}

/// Starts `up` in a session of its own, shows its progress, and returns when the cluster is up.
fn detach(quiet: bool, no_node: bool, hosts: &[String]) -> Result<()> {
    let output = tempfile::NamedTempFile::new()?; // the name goes away with us, the file with the cluster
    let mut command = Command::new("setsid");
    command.arg(std::env::current_exe()?).arg("up");
    if quiet {
        command.arg("--quiet");
    }
    if no_node {
        command.arg("--no-node");
    }
    command.args(hosts.iter().flat_map(|host| ["--host", host]));
    let mut owner = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output.reopen()?)
        .spawn()
        .context("cannot run setsid")?;
    let running = wait_for(&mut owner, &mut output.reopen()?)?;
    introduce(&running);
    Ok(())
}

fn wait_for(owner: &mut Child, said: &mut File) -> Result<Running> {
    loop {
        std::io::copy(said, &mut std::io::stderr())?;
        let up = Running::all()?.into_iter().find(|running| running.owner().cast_unsigned() == owner.id());
        if let Some(running) = up {
            std::io::copy(said, &mut std::io::stderr())?;
            return Ok(running);
        }
        if let Some(status) = owner.try_wait()? {
            std::io::copy(said, &mut std::io::stderr())?;
            bail!("the cluster did not start ({status})");
        }
        thread::park_timeout(Duration::from_millis(50));
    }
}

#[allow(clippy::print_stdout, reason = "what was asked for goes to standard output")]
fn introduce(running: &Running) {
    let me = fs::read_link("/proc/self/exe").unwrap_or_default();
    let me = me.display();
    println!("cluster {} is up", running.id());
    match running.node() {
        Node::Ready => println!("  node:       ready; pods reach this side at {}", running.node_address()),
        Node::Absent { reason } => println!("  node:       none: {reason}"),
    }
    println!("  kubeconfig: {}", running.kubeconfig().display());
    println!("  logs:       {}", running.run_dir().join("logs").display());
    println!("  kubectl:    {me} kubectl -- get pods --all-namespaces");
    println!("  inside:     {me} exec -- bash");
    println!("  stop:       {me} down");
}

#[allow(clippy::print_stdout, reason = "what was asked for goes to standard output")]
fn status(output: Output) -> Result<()> {
    let all = Standing::all()?;
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&all)?),
        Output::Text if all.is_empty() => println!("there is no cluster"),
        Output::Text => {
            for standing in all {
                let owner = standing.owner.map_or("nobody".to_owned(), |pid| pid.to_string());
                match (&standing.state, &standing.cluster) {
                    (State::Up, Some(running)) => match running.node() {
                        Node::Ready => println!("{}: up, node ready, owned by {owner}", standing.id),
                        Node::Absent { reason } => {
                            println!("{}: up, owned by {owner}, no node: {reason}", standing.id);
                        }
                    },
                    (State::Dead, _) => println!("{}: dead; `cluster clean` removes it", standing.id),
                    _ => println!("{}: starting or stopping, owned by {owner}", standing.id),
                }
            }
        }
    }
    Ok(())
}
