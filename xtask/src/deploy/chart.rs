//! The Helm chart: linted, rendered in every kind of use, each object held to the schemas of three versions of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{files, foreign, prometheus, tools};
use crate::shell;

/// The oldest with which the chart installs is named in `Chart.yaml`; these are the ones its objects are held to.
const KUBERNETES: [&str; 3] = ["1.35.0", "1.36.0", "1.37.0"];

/// Whoever writes signs in.
pub(super) const SIGN_IN: [&str; 2] = ["-f", "values-sign-in.yaml"];

/// Holders are mailed, by a server that wants a password.
const MAIL: [&str; 2] = [
    "--set",
    "settings.smtp_url=smtps://mail.example.org,settings.smtp_from=tickets@example.org,settings.smtp_user=box,smtp.secretName=mail",
];

/// The same, said to the booking service alone.
const MAIL_ALONE: [&str; 2] = [
    "--set",
    "bookingservice.settings.smtp_url=smtps://mail.example.org,bookingservice.settings.smtp_from=tickets@example.org,\
     bookingservice.settings.smtp_user=box,smtp.secretName=mail",
];

/// A use of the chart: what it is called, and what is set.
const USES: [(&str, &[&str]); 9] = [
    ("as it comes", &[]),
    ("demo", &["-f", "values-demo.yaml"]),
    ("one process on SQLite", &["--set", "mode=single,replicas=1"]),
    (
        "Kafka and DynamoDB",
        &[
            "--set",
            "settings.databasetype=dynamodb,settings.message_broker_type=kafka",
        ],
    ),
    (
        "nginx of the page as the only way in",
        &[
            "--set",
            "ingress.map=gateway,ingress.tls.secretName=tls,service.type=LoadBalancer",
        ],
    ),
    ("settings of their own", &["-f", "ci/own-values.yaml"]),
    ("sign-in", &SIGN_IN),
    ("mail", &MAIL),
    (
        "with the operators of others",
        &[
            "--set",
            "serviceMonitor.enabled=true,keda.enabled=true,autoscaling.enabled=false",
        ],
    ),
];

/// What the chart has to refuse, and a part of what it says.
const REFUSED: [(&str, &str); 8] = [
    ("mode=single", "SQLite"),
    ("settings.databasetype=sqlite", "mode=single"),
    ("settings.no_such_key=1", "no_such_key"),
    ("replica=2", "replica"),
    ("settings.dbconnection=mongodb://user:password@host", "password"),
    (
        "bookingservice.settings.amqp_message_broker=amqp://host",
        "password",
    ),
    ("bookingservice.settings.databasetype=sqlite", "mode=single"),
    ("smtp.secretName=mail", "smtp_user"),
];

/// Lints, renders, validates, and compares with `deploy/k8s`.
///
/// # Errors
/// With what is wrong.
pub(super) fn check() -> Result<()> {
    let mut lint = helm(&["lint", "--strict", "--quiet"])?;
    lint.arg(".");
    shell::run(lint)?;
    let folder = shell::target().join("deploy/chart");
    fs::create_dir_all(&folder)?;
    // Most objects are the same in many uses: each is read once.
    let mut objects = BTreeSet::new();
    let mut others = BTreeSet::new();
    for (name, set) in USES {
        let rendered = template(set).with_context(|| name.to_owned())?;
        let (documents, theirs): (Vec<&str>, Vec<&str>) = rendered
            .split("---\n")
            .filter(|text| kind(text).is_some())
            .partition(|text| kind(text).is_some_and(|kind| !foreign::KINDS.contains(&kind)));
        others.extend(theirs.into_iter().map(str::to_owned));
        println!("{name}: {} objects", documents.len());
        pods_see_no_services(&documents).with_context(|| name.to_owned())?;
        somebody_counts_the_pods(&rendered).with_context(|| name.to_owned())?;
        objects.extend(documents.into_iter().map(str::to_owned));
    }
    ensure!(objects.len() > 30, "only {} objects", objects.len());
    println!(
        "{} different objects for {}",
        objects.len(),
        KUBERNETES.join(", ")
    );
    let file = folder.join("objects.yaml");
    fs::write(&file, objects.into_iter().collect::<Vec<_>>().join("---\n"))?;
    validate(&file)?;
    validate(&files::path("helm/deployer.yaml"))?;
    let file = folder.join("foreign.yaml");
    fs::write(&file, others.into_iter().collect::<Vec<_>>().join("---\n"))?;
    let mut others = files::yaml(&file)?;
    others.push(prometheus::check(&template(&["-f", "values-demo.yaml"])?)?);
    foreign::check(&others)?;
    for (set, reason) in REFUSED {
        match template(&["--set", set]) {
            Ok(_) => bail!("the chart takes {set}"),
            Err(error) => ensure!(
                format!("{error:#}").contains(reason),
                "refuses {set} for another reason: {error:#}"
            ),
        }
    }
    values_arrive()?;
    values_are_keys()?;
    let wanted = manifests()?;
    let mut there = BTreeMap::new();
    for file in files::list("k8s", ".yaml")? {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        there.insert(name, files::read(&file)?);
    }
    ensure!(
        wanted == there,
        "deploy/k8s is not what the chart says: `cargo xtask deploy --render` writes it"
    );
    Ok(())
}

/// Writes `deploy/k8s`.
///
/// # Errors
/// When the chart can't be rendered or a file can't be written.
pub(super) fn render() -> Result<()> {
    let folder = files::path("k8s");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (name, text) in manifests()? {
        fs::write(folder.join(&name), text)?;
        println!("deploy/k8s/{name}");
    }
    Ok(())
}

/// The plain manifests: what the chart makes of its own values, a file for each template.
fn manifests() -> Result<BTreeMap<String, String>> {
    const ORIGIN: &str = "# Source: myevents/templates/";
    let mut manifests: BTreeMap<String, String> = BTreeMap::new();
    for document in template(&[])?.split("---\n") {
        let Some((_, rest)) = document.split_once(ORIGIN) else {
            continue;
        };
        let (name, object) = rest.split_once('\n').context("a document without text")?;
        let file = manifests.entry(name.to_owned()).or_insert_with(|| {
            "# Made from the chart in deploy/helm by `cargo xtask deploy --render`: change it there.\n"
                .to_owned()
        });
        file.push_str("---\n");
        // What only helm wants.
        for line in object.trim_end().lines() {
            if !line.contains("app.kubernetes.io/managed-by: Helm") && !line.contains("helm.sh/chart:") {
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    ensure!(manifests.len() > 5, "the chart makes only {:?}", manifests.keys());
    let foreign = manifests
        .values()
        .flat_map(|text| text.lines())
        .find(|line| foreign::KINDS.iter().any(|kind| *line == format!("kind: {kind}")));
    ensure!(
        foreign.is_none(),
        "{foreign:?} is of others and has no place in deploy/k8s"
    );
    Ok(manifests)
}

fn helm(arguments: &[&str]) -> Result<Command> {
    let mut command = tools::command(tools::HELM)?;
    command.current_dir(files::path("helm/myevents")).args(arguments);
    Ok(command)
}

/// The objects that the chart makes with these arguments.
///
/// # Errors
/// When helm refuses.
pub(super) fn template(set: &[&str]) -> Result<String> {
    let mut command = helm(&["template", "myevents", ".", "--namespace", "myevents"])?;
    command.args(["--kube-version", KUBERNETES[0]]).args(set);
    shell::read(command)
}

/// What it is an object of, if it is one.
fn kind(document: &str) -> Option<&str> {
    document.lines().find_map(|line| line.strip_prefix("kind: "))
}

/// Kubernetes makes variables of Services, and those of a release `myevents` begin as our settings do: a program would refuse
/// to start with them.
fn pods_see_no_services(documents: &[&str]) -> Result<()> {
    for document in documents.iter().filter(|text| text.contains("containers:")) {
        let name = document.lines().find(|line| line.starts_with("  name: "));
        ensure!(
            document.contains("\n      enableServiceLinks: false\n"),
            "{name:?} lets Kubernetes make variables of Services"
        );
    }
    Ok(())
}

/// Each Deployment says how many pods it has, unless something that scales it does.
fn somebody_counts_the_pods(rendered: &str) -> Result<()> {
    let documents: Vec<&str> = rendered.split("---\n").collect();
    let scaled = |name: &str| {
        documents
            .iter()
            .any(|text| text.contains("scaleTargetRef:") && text.contains(&format!("\n    name: {name}\n")))
    };
    for document in documents.iter().filter(|text| text.contains("kind: Deployment")) {
        let name = document.lines().find_map(|line| line.strip_prefix("  name: "));
        let name = name.context("a Deployment without a name")?;
        ensure!(
            document.contains("\n  replicas: ") != scaled(name),
            "the pods of {name} are counted by nobody, or twice"
        );
    }
    Ok(())
}

/// Values come out as they went in: large numbers, those of one service alone, and the type of the Service that is the way in.
fn values_arrive() -> Result<()> {
    let own = template(&["-f", "ci/own-values.yaml"])?;
    for (line, times) in [
        ("  MYEVENTS_MAX_CONNECTIONS: \"1000000\"", 2),
        ("  MYEVENTS_OTEL_ENDPOINT: \"http://collector:4318\"", 2),
        ("  MYEVENTS_TABLE_PREFIX: \"theirs-\"", 1),
        ("  MYEVENTS_TABLE_PREFIX: \"theirs-booking-\"", 1),
        ("                name: theirs", 1),
    ] {
        let found = own.lines().filter(|each| *each == line).count();
        ensure!(found == times, "`{line}` is there {found} times");
    }
    let signed_in = template(&SIGN_IN)?;
    ensure!(
        signed_in.matches("MYEVENTS_AUTH: \"jwt\"").count() == 2 && !signed_in.contains("ALLOW_ANONYMOUS"),
        "with sign-in, settings are {signed_in}"
    );
    mails_have_their_password()?;
    let open = template(&["--set", "service.type=LoadBalancer"])?;
    let ways_in = open.matches("  type: LoadBalancer").count();
    ensure!(ways_in == 1, "{ways_in} ways in");
    Ok(())
}

/// Who mails has the password as a file, and nobody else.
fn mails_have_their_password() -> Result<()> {
    let setting = "  MYEVENTS_SMTP_PASSWORD_FILE: \"/etc/myevents/smtp/password\"";
    let single = [&MAIL[..], &["--set", "mode=single,replicas=1"]].concat();
    for (set, mails, settings) in [
        (&MAIL[..], "myevents-bookingservice", 2),
        (&MAIL_ALONE[..], "myevents-bookingservice", 1),
        (&single[..], "myevents-myevents", 1),
    ] {
        let made = template(set)?;
        ensure!(made.matches(setting).count() == settings, "the setting in {made}");
        for document in made.split("---\n").filter(|text| text.contains("containers:")) {
            let owner = document.contains(&format!("\n  name: {mails}\n"));
            for part in ["mountPath: /etc/myevents/smtp\n", "secretName: mail\n"] {
                let found = document.matches(part).count();
                ensure!(
                    found == usize::from(owner),
                    "`{part}` {found} times in {document}"
                );
            }
        }
    }
    Ok(())
}

fn validate(file: &std::path::Path) -> Result<()> {
    let mut command = tools::command(tools::PYTHON)?;
    command.args(["-m", "kubernetes_validate", "--strict", "--quiet"]);
    for version in KUBERNETES {
        command.args(["-k", version.trim_end_matches(".0")]);
    }
    command.arg(file);
    shell::read(command)?;
    Ok(())
}

/// The chart's schema allows as settings just the keys that there are, so that a misspelled one is told by helm.
fn values_are_keys() -> Result<()> {
    let schema: serde_json::Value =
        serde_json::from_str(&files::read(&files::path("helm/myevents/values.schema.json"))?)?;
    let allowed = schema["properties"]["settings"]["properties"].as_object();
    let allowed: BTreeSet<String> = allowed
        .context("no settings in the schema")?
        .keys()
        .cloned()
        .collect();
    let page = files::read(&shell::root().join("docs/configuration.md"))?;
    let keys: BTreeSet<String> = page
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    ensure!(
        allowed == keys,
        "values.schema.json and docs/configuration.md differ in {:?}",
        allowed.symmetric_difference(&keys).collect::<Vec<_>>()
    );
    Ok(())
}
