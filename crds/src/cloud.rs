//! Microsoft's national clouds, and the hosts and scopes that each brings with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Microsoft cloud in which a tenant lives.
///
/// The scopes of the sovereign clouds and some of their SMTP hosts are inferred, not documented by
/// Microsoft; each can be overridden (`endpoint` of an EntraApp, `host` of a MailRoute).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Cloud {
    /// The world-wide cloud, and GCC.
    #[default]
    Global,
    /// GCC High.
    USGovernment,
    /// The US Department of Defense.
    USGovernmentDoD,
    /// Operated by 21Vianet.
    China,
}

impl Cloud {
    /// The base of the token endpoint, without a slash at its end.
    pub fn login_url(self) -> &'static str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::USGovernment | Self::USGovernmentDoD => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// The scope of a token for Exchange's SMTP submission by client credentials.
    pub fn exchange_scope(self) -> &'static str {
        match self {
            Self::Global => "https://outlook.office365.com/.default",
            Self::USGovernment | Self::USGovernmentDoD => "https://outlook.office365.us/.default",
            Self::China => "https://partner.outlook.cn/.default",
        }
    }

    /// The scope of a token for Microsoft Graph by client credentials.
    pub fn graph_scope(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com/.default",
            Self::USGovernment => "https://graph.microsoft.us/.default",
            Self::USGovernmentDoD => "https://dod-graph.microsoft.us/.default",
            Self::China => "https://microsoftgraph.chinacloudapi.cn/.default",
        }
    }

    /// The scope of a token for SMTP submission in the name of a signed-in user.
    pub fn delegated_exchange_scope(self) -> &'static str {
        match self {
            Self::Global => "https://outlook.office.com/SMTP.Send",
            Self::USGovernment | Self::USGovernmentDoD => "https://outlook.office365.us/SMTP.Send",
            Self::China => "https://partner.outlook.cn/SMTP.Send",
        }
    }

    /// The scope of a token for Microsoft Graph in the name of a signed-in user.
    pub fn delegated_graph_scope(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com/Mail.Send",
            Self::USGovernment => "https://graph.microsoft.us/Mail.Send",
            Self::USGovernmentDoD => "https://dod-graph.microsoft.us/Mail.Send",
            Self::China => "https://microsoftgraph.chinacloudapi.cn/Mail.Send",
        }
    }

    /// The base of Microsoft Graph's API, without a version and without a slash at its end.
    pub fn graph_url(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::USGovernment => "https://graph.microsoft.us",
            Self::USGovernmentDoD => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// The host that takes SMTP submissions, by STARTTLS on port 587.
    pub fn submission_host(self) -> &'static str {
        match self {
            Self::Global => "smtp.office365.com",
            Self::USGovernment => "smtp.office365.us",
            Self::USGovernmentDoD => "outlook-dod.office365.us",
            Self::China => "smtp.partner.outlook.cn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cloud;

    #[test]
    fn each_cloud_is_written_as_the_design_names_it() {
        let written: Vec<String> = [Cloud::Global, Cloud::USGovernment, Cloud::USGovernmentDoD, Cloud::China]
            .iter()
            .map(|cloud| serde_json::to_string(cloud).unwrap())
            .collect();
        assert_eq!(written, ["\"Global\"", "\"USGovernment\"", "\"USGovernmentDoD\"", "\"China\""]);
    }

    #[test]
    fn a_token_of_one_cloud_is_not_asked_for_another() {
        assert!(Cloud::China.login_url().ends_with(".cn"));
        assert!(Cloud::China.exchange_scope().contains("partner.outlook.cn"));
        assert!(Cloud::USGovernment.submission_host().ends_with(".us"));
    }
}
