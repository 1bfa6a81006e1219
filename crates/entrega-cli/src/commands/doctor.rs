//! `entrega doctor`: whether a lake can live where it is to live.

use anyhow::bail;
use chrono::Utc;
use entrega_lake::{Lake, doctor::Health};

use crate::{
    arguments::lake::Doctor,
    output::{say, table},
    progress::spinner,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Doctor) -> anyhow::Result<()> {
    let lake = Lake::at(settings.lake()?).await?;
    let watched = spinner("examining");
    let findings = lake.examine(Utc::now).await;
    watched.finish_and_clear();
    if arguments.json {
        say(&serde_json::to_string_pretty(&findings)?);
    } else {
        let rows = findings.iter().map(|finding| {
            let health = match finding.health {
                Health::Well => "well",
                Health::Poor => "poor",
                Health::Ill => "ILL",
            };
            vec![
                finding.about.to_owned(),
                health.to_owned(),
                finding.seen.clone(),
                finding.hint.unwrap_or("").to_owned(),
            ]
        });
        say(&format!("entrega {}, lake {}", env!("CARGO_PKG_VERSION"), lake.url()));
        say(&table(&["what", "health", "seen", "what to do"], rows));
    }
    let ill = findings.iter().filter(|finding| finding.health == Health::Ill).count();
    if ill > 0 {
        bail!(
            "no lake can work at {}: {ill} of {} examinations failed\nhint: see the table",
            lake.url(),
            findings.len()
        );
    }
    Ok(())
}
