//! The volume of the pod in which the sidecar keeps what it has answered 250: named by annotation.

use k8s_openapi::api::core::v1::{Pod, Volume, VolumeMount};
use mail_egress_crds::names::{ANNOTATION_SPOOL_LIMIT, ANNOTATION_SPOOL_VOLUME};

use super::quantity::Quantity;
use super::{Refusal, annotation};

/// Where it is mounted.
const DIRECTORY: &str = "/var/lib/mail-egress/spool";
/// How much the sidecar takes in where nobody says, before it answers 452.
const USUAL_LIMIT: u64 = 1 << 30;

/// A volume that can be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpoolVolume {
    name: String,
    lasts: bool,
    /// In octets.
    limit: u64,
}

/// What becomes of a volume's content when its pod goes.
enum Kind {
    Lasts,
    GoesWithThePod,
    CannotBeWritten,
}

impl SpoolVolume {
    /// Reads the annotations; `None` where no volume is named.
    pub(super) fn read(pod: &Pod) -> Result<Option<Self>, Refusal> {
        let text = annotation(pod, ANNOTATION_SPOOL_LIMIT);
        let Some(name) = annotation(pod, ANNOTATION_SPOOL_VOLUME) else {
            return match text {
                Some(text) => Err(Refusal::annotation(
                    ANNOTATION_SPOOL_LIMIT,
                    text,
                    "left out, or the volume be named by mail-egress.io/spool-volume",
                )),
                None => Ok(None),
            };
        };
        let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let volume = volumes.find(|volume| volume.name == name && !super::obstacles::is_ours(name));
        let refused = |expected| Err(Refusal::annotation(ANNOTATION_SPOOL_VOLUME, name, expected));
        let Some(volume) = volume else {
            return refused("the name of one of the pod's own volumes (spec.volumes)");
        };
        let lasts = match kind(volume) {
            Kind::Lasts => true,
            Kind::GoesWithThePod => false,
            Kind::CannotBeWritten => {
                return refused(
                    "the name of a volume that can be written, such as a persistent volume claim",
                );
            }
        };
        let size = volume.empty_dir.as_ref().and_then(|it| Quantity::parse(&it.size_limit.as_ref()?.0));
        let size = size.map(|size| size.units());
        let limit = match text {
            // the kubelet evicts instead of refusing, so not all of it
            None => size.map_or(USUAL_LIMIT, |size| size / 5 * 4),
            Some(text) => match Quantity::parse(text).map(|limit| limit.units()) {
                Some(limit) if limit > 0 && size.is_none_or(|size| limit <= size) => limit,
                Some(_) | None => {
                    return Err(Refusal::annotation(
                        ANNOTATION_SPOOL_LIMIT,
                        text,
                        "a quantity such as 1Gi, and no more than the volume's sizeLimit",
                    ));
                }
            },
        };
        Ok(Some(Self { name: name.to_owned(), lasts, limit }))
    }

    /// For the command line.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--spool-dir".to_owned(),
            DIRECTORY.to_owned(),
            "--spool-limit".to_owned(),
            self.limit.to_string(),
        ];
        if self.lasts {
            arguments.push("--spool-lasting".to_owned());
        }
        arguments
    }

    /// Into the sidecar; what else mounts the volume is the user's affair.
    pub(super) fn mount(&self) -> VolumeMount {
        VolumeMount { name: self.name.clone(), mount_path: DIRECTORY.to_owned(), ..VolumeMount::default() }
    }

    /// What to tell whoever creates the pod.
    pub(super) fn warning(&self) -> Option<String> {
        (!self.lasts).then(|| {
            format!(
                "mail-egress: the volume {} goes with the pod, and unsent mail with it: the MailSender must set spec.delivery.acceptLoss, or apps are told 451",
                self.name
            )
        })
    }
}

/// By the source: what is not known to stay is taken to go. A hostPath stays, but on a node that the
/// next pod may not come to.
fn kind(volume: &Volume) -> Kind {
    let read_only = volume.persistent_volume_claim.as_ref().is_some_and(|it| it.read_only == Some(true));
    let cannot = volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some()
        || volume.image.is_some();
    let lasts = volume.persistent_volume_claim.is_some()
        || volume.nfs.is_some()
        || volume.iscsi.is_some()
        || volume.fc.is_some()
        || volume.cephfs.is_some()
        || volume.azure_file.is_some();
    match (cannot || read_only, lasts) {
        (true, _) => Kind::CannotBeWritten,
        (false, true) => Kind::Lasts,
        (false, false) => Kind::GoesWithThePod,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(annotations: &Value, volumes: &Value) -> Result<Option<SpoolVolume>, Refusal> {
        let pod = json!({"metadata": {"annotations": annotations},
                         "spec": {"containers": [], "volumes": volumes}});
        SpoolVolume::read(&serde_json::from_value(pod).unwrap())
    }

    fn named(volume: Value) -> Result<Option<SpoolVolume>, Refusal> {
        let mut volume = volume;
        volume["name"] = json!("mail");
        read(&json!({"mail-egress.io/spool-volume": "mail"}), &json!([volume]))
    }

    #[test]
    fn what_lasts_and_what_goes_with_the_pod_is_told_apart() {
        for (volume, lasts) in [
            (json!({"persistentVolumeClaim": {"claimName": "c"}}), true),
            (json!({"nfs": {"server": "s", "path": "/p"}}), true),
            (json!({"emptyDir": {}}), false),
            (json!({"hostPath": {"path": "/p"}}), false),
            (json!({"ephemeral": {}}), false),
            (json!({"csi": {"driver": "d"}}), false),
        ] {
            let spool = named(volume.clone()).unwrap().unwrap();
            assert_eq!(spool.lasts, lasts, "{volume}");
            assert_eq!(spool.arguments().contains(&"--spool-lasting".to_owned()), lasts);
            assert_eq!(spool.warning().is_none(), lasts);
        }
    }

    #[test]
    fn a_volume_that_is_missing_ours_or_not_writable_is_refused() {
        for volume in [
            json!({"configMap": {"name": "c"}}),
            json!({"secret": {"secretName": "s"}}),
            json!({"persistentVolumeClaim": {"claimName": "c", "readOnly": true}}),
        ] {
            let refusal = named(volume).unwrap_err().to_string();
            assert!(refusal.contains("can be written"), "{refusal}");
        }
        for name in ["other", "mail-egress-spill"] {
            let volumes =
                json!([{"name": "mail", "emptyDir": {}}, {"name": "mail-egress-spill", "emptyDir": {}}]);
            let refusal =
                read(&json!({"mail-egress.io/spool-volume": name}), &volumes).unwrap_err().to_string();
            assert!(
                refusal.contains("mail-egress.io/spool-volume") && refusal.contains("spec.volumes"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn the_limit_stays_below_what_the_kubelet_evicts_for() {
        let limit = |limit: Option<&str>, size: Option<&str>| {
            let mut annotations = json!({"mail-egress.io/spool-volume": "mail"});
            if let Some(limit) = limit {
                annotations["mail-egress.io/spool-limit"] = json!(limit);
            }
            let size = size.map_or(json!({}), |size| json!({"sizeLimit": size}));
            let volumes = json!([{"name": "mail", "emptyDir": size}]);
            read(&annotations, &volumes).map(|spool| spool.unwrap().limit)
        };
        assert_eq!(limit(None, None), Ok(1 << 30));
        assert_eq!(limit(None, Some("100")), Ok(80));
        assert_eq!(limit(Some("2Gi"), None), Ok(2 << 30));
        assert!(limit(Some("2Gi"), Some("1Gi")).is_err());
        assert!(limit(Some("plenty"), None).is_err());
        assert!(read(&json!({"mail-egress.io/spool-limit": "1Gi"}), &json!([])).is_err());
    }
}
