//! The quotas of Graph for directory objects, as token buckets.
//!
//! Pure: the time is handed in. Rejected requests still count, as they do in Graph.

use super::exchange::Call;

/// Reads and writes that an app may do.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// 3,000 writes in 150 s per app and tenant.
    writes: Bucket,
    /// 18,000 writes in 5 minutes per tenant.
    tenant: Bucket,
    /// 8,000 resource units in 10 s (a large tenant).
    units: Bucket,
}

/// A refusal for lack of quota.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Throttled {
    /// Seconds, for `Retry-After`.
    pub(crate) wait: f64,
    /// `x-ms-throttle-scope` without app and tenant.
    pub(crate) scope: &'static str,
    /// `x-ms-throttle-information`
    pub(crate) limit: &'static str,
}

impl Throttle {
    /// `factor`: how many times faster than real quotas refill.
    pub(crate) fn new(factor: f64) -> Self {
        Throttle {
            writes: Bucket::new(3_000.0, 20.0 * factor),
            tenant: Bucket::new(18_000.0, 60.0 * factor),
            units: Bucket::new(8_000.0, 800.0 * factor),
        }
    }

    /// Takes what one request costs. `now` is in seconds.
    pub(crate) fn charge(&mut self, writes: bool, units: f64, now: f64) -> Result<(), Throttled> {
        let mut result = self.units.take(units, now).map_err(|wait| Throttled {
            wait,
            scope: "Tenant_Application/ReadWrite",
            limit: "ResourceUnitLimitExceeded",
        });
        if writes {
            let limit = "WriteLimitExceeded";
            let app = self.writes.take(1.0, now);
            let tenant = self.tenant.take(1.0, now);
            result = result
                .and(app.map_err(|wait| Throttled { wait, scope: "Tenant_Application/Write", limit }))
                .and(tenant.map_err(|wait| Throttled { wait, scope: "Tenant/Write", limit }));
        }
        result
    }

    /// How much of the write quota is used: 1 is all.
    pub(crate) fn used(&self) -> f64 {
        1.0 - self.writes.level / self.writes.capacity
    }
}

/// Resource units of one request.
pub(crate) fn units(call: &Call) -> f64 {
    let first = call.path.first().map_or("", |segment| segment.name.as_str());
    let has = |name: &str| call.path.iter().any(|segment| segment.name == name);
    let mut units: f64 = if has("getByIds") {
        if call.query.get("select").is_some() { return 2.0 } else { return 5.0 }
    } else if call.writes() || has("delta") {
        1.0
    } else if has("members") || has("subscribedSkus") {
        3.0
    } else if has("memberOf") || (first == "users" && call.path.len() == 1) {
        2.0
    } else {
        1.0
    };
    if call.query.get("select").is_some() {
        units -= 1.0;
    }
    if call.query.get("expand").is_some() {
        units += 1.0;
    }
    if call.query.get("top").and_then(|top| top.parse::<u32>().ok()).is_some_and(|top| top < 20) {
        units -= 1.0;
    }
    units.max(1.0)
}

#[derive(Debug)]
struct Bucket {
    capacity: f64,
    /// Per second.
    refill: f64,
    level: f64,
    since: f64,
}

impl Bucket {
    fn new(capacity: f64, refill: f64) -> Self {
        Bucket { capacity, refill, level: capacity, since: 0.0 }
    }

    /// Seconds to wait when there is not enough.
    fn take(&mut self, amount: f64, now: f64) -> Result<(), f64> {
        self.level = (self.level + (now - self.since).max(0.0) * self.refill).min(self.capacity);
        self.since = now;
        if self.level >= amount {
            self.level -= amount;
            return Ok(());
        }
        Err((amount - self.level) / self.refill)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_limited_and_come_back() {
        let mut throttle = Throttle::new(1.0);
        for _ in 0..3_000 {
            throttle.charge(true, 1.0, 0.0).expect("inside the quota");
        }
        let refused = throttle.charge(true, 1.0, 0.0).expect_err("beyond the quota");
        assert_eq!((refused.limit, refused.wait), ("WriteLimitExceeded", 0.05));
        throttle.charge(false, 1.0, 0.0).expect("reads go on");
        for _ in 0..20 {
            throttle.charge(true, 1.0, 1.0).expect("20 a second come back");
        }
        assert!(throttle.charge(true, 1.0, 1.0).is_err());
        assert!(throttle.used() > 0.99);
    }

    #[test]
    fn a_factor_refills_faster() {
        let mut throttle = Throttle::new(100.0);
        for _ in 0..3_000 {
            throttle.charge(true, 0.0, 0.0).expect("inside the quota");
        }
        for _ in 0..2_000 {
            throttle.charge(true, 0.0, 1.0).expect("2,000 a second come back");
        }
        assert!(throttle.charge(true, 0.0, 1.0).is_err());
    }
}
