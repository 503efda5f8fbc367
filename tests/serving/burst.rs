//! Many changes at once, while the tenant takes only so many writes: nothing is written twice, nearly nothing is refused, and
//! it takes as long as the quota makes it. `BURST=20000` measures, `BURST_FACTOR=10` with quotas ten times
//! as fast as Graph's.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use ldap3::Mod;
use syncline::emulator::Throttling;

use crate::lag::{Serving, connect, log, tenant};
use crate::sign_in::sign_in;
use crate::world::{BASE, Kind, World, number, users, value};

#[test]
fn a_burst_takes_as_long_as_the_quota_makes_it() {
    let burst = number("BURST", 400);
    // Graph's quotas, so many times faster.
    let factor = f64::from(number("BURST_FACTOR", 50));
    let kind = Kind::Slapd("auto");
    let directory = World::generated(kind, burst as usize * 3 / 2 + 50, 2);
    let world = World::with(kind, 68, &directory, |tenant| tenant.throttle = Throttling::Factor(factor));
    let serving = Serving::start(&world);
    let begun = Instant::now();
    while !log(&world).contains("run 1:") || titles(&world).len() < burst as usize {
        assert!(begun.elapsed() < Duration::from_secs(900), "{}", log(&world));
        std::thread::sleep(Duration::from_millis(500));
    }
    let before = settled(&world);
    // Until the quota is whole again.
    std::thread::sleep(Duration::from_secs_f64((3_000.0 / (20.0 * factor)).max(2.0)));
    let people = names(&world);
    let chosen: Vec<&String> = people.iter().take(burst as usize).collect();
    let begun = Instant::now();
    world.runtime.block_on(async {
        let mut ldap = connect(&world).await;
        for name in &chosen {
            let values = HashSet::from(["Burst"]);
            ldap.modify(name, vec![Mod::Replace("title", values)]).await.unwrap().success().unwrap();
        }
    });
    let changed = begun.elapsed();
    let counter = Counter::new(&world);
    while counter.arrived(&world) < chosen.len() {
        let arrived = counter.arrived(&world);
        assert!(begun.elapsed() < Duration::from_secs(900), "{arrived} of {}: {}", chosen.len(), log(&world));
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = begun.elapsed().as_secs_f64();
    let least = (f64::from(burst) - 3_000.0).max(0.0) / (20.0 * factor);
    let after = settled(&world);
    let (sent, needed) = (after.0 - before.0, after.1 - before.1);
    println!(
        "{} changes made in {:.1} s, there after {took:.1} s; the quota alone makes it {least:.1} s; {sent} requests, \
         {needed} needed; {:.1} s of processor so far",
        chosen.len(),
        changed.as_secs_f64(),
        serving.cpu(),
    );
    assert_eq!(needed, u64::from(burst), "each change is one request\n{}", log(&world));
    assert!(sent - needed <= needed / 100, "{sent} requests for {needed}");
}

/// Waits until nothing is written any more. Gives the requests until then.
fn settled(world: &World) -> (u64, u64) {
    let mut before = requests(world);
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let now = requests(world);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// People where the deployment looks for them.
fn names(world: &World) -> Vec<String> {
    let found = world.server.search(&format!("OU=People,{BASE}"), "(&(objectClass=inetOrgPerson)(uid=*))", &["1.1"]);
    let names = found
        .iter()
        .filter_map(|line| line.strip_prefix("dn: "))
        .filter(|name| !name.to_lowercase().contains("ou=legal"));
    names.map(str::to_owned).collect()
}

/// Counts as the portal does, which costs the tenant little.
struct Counter {
    client: reqwest::Client,
    token: String,
}

impl Counter {
    fn new(world: &World) -> Counter {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = world.runtime.block_on(sign_in(&client, &world.emulator.base_url, "contoso.com"));
        Counter { client, token }
    }

    /// How many have the new title.
    fn arrived(&self, world: &World) -> usize {
        let url = format!(
            "{}/v1.0/users?$filter=jobTitle%20eq%20'Burst'&$count=true&$top=1&$select=id",
            world.emulator.base_url
        );
        let request = self.client.get(url).bearer_auth(&self.token).header("ConsistencyLevel", "eventual");
        usize::try_from(json(world, request)["@odata.count"].as_u64().unwrap()).unwrap()
    }
}

fn json(world: &World, request: reqwest::RequestBuilder) -> serde_json::Value {
    let text = world.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
    serde_json::from_str(&text).unwrap()
}

/// The titles of everybody in the tenant; empty ones for who has none.
fn titles(world: &World) -> Vec<String> {
    let users = users(&world.runtime, &tenant(world), "jobTitle");
    users.iter().map(|user| value(user, "jobTitle").unwrap_or_default()).collect()
}

/// Requests that runs sent, and how many were needed.
fn requests(world: &World) -> (u64, u64) {
    let output = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["history", "--last", "1000", "--format", "json"])
        .current_dir(world.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let runs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let exports = runs.as_array().unwrap().iter().filter_map(|run| run["report"]["exports"].as_array()).flatten();
    let counts = exports.filter_map(|export| export["requests"].as_array());
    counts.fold((0, 0), |sum, pair| (sum.0 + pair[0].as_u64().unwrap(), sum.1 + pair[1].as_u64().unwrap()))
}
