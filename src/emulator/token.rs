//! Access tokens: the token endpoint for apps, what it refuses, and the check of a token on every request.
//!
//! Knows the registered apps, not the directory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::certificate::Certificate;
use super::exchange::{Caller, Query, Refusal, Reply, unescape};
use super::{App, EmulatorError};

/// How much clocks may differ, in seconds.
const SKEW: f64 = 300.0;

/// Resources for which tokens are given.
const GRAPH: [&str; 5] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    "00000003-0000-0000-c000-000000000000",
];

/// Issues and checks tokens.
pub(crate) struct Authority {
    tenant: Uuid,
    /// The names that stand for the tenant in addresses.
    names: Vec<String>,
    apps: Vec<Registered>,
    signing: EncodingKey,
    checking: DecodingKey,
    lifetime: i64,
    /// Tokens whose signature was checked already, with their expiry.
    checked: Mutex<HashMap<String, (Arc<Caller>, i64)>>,
}

struct Registered {
    app: App,
    certificates: Vec<Certificate>,
}

/// A refusal of the token endpoint.
struct TokenError {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

fn refuse<T>(status: u16, error: &'static str, code: u32, message: impl Into<String>) -> Result<T, TokenError> {
    Err(TokenError { status, error, code, message: message.into() })
}

impl Authority {
    /// `key` is a private RSA key and its public half, both PEM.
    pub(crate) fn new(
        tenant: Uuid,
        names: Vec<String>,
        apps: &[App],
        key: (&str, &str),
        lifetime: u64,
    ) -> Result<Self, EmulatorError> {
        let broken = |error: jsonwebtoken::errors::Error| EmulatorError::Key(error.to_string());
        let mut registered = Vec::new();
        for app in apps {
            let certificates = match &app.certificate {
                Some(pem) => {
                    Certificate::parse_all(pem).ok_or_else(|| EmulatorError::Certificate(app.client_id.clone()))?
                }
                None => Vec::new(),
            };
            registered.push(Registered { app: app.clone(), certificates });
        }
        Ok(Authority {
            tenant,
            names,
            apps: registered,
            signing: EncodingKey::from_rsa_pem(key.0.as_bytes()).map_err(broken)?,
            checking: DecodingKey::from_rsa_pem(key.1.as_bytes()).map_err(broken)?,
            lifetime: lifetime as i64,
            checked: Mutex::default(),
        })
    }

    /// Answers `POST /{tenant}/oauth2/v2.0/token`. `now` is in milliseconds.
    pub(crate) fn token(&self, tenant: &str, basic: Option<&str>, form: &str, root: &str, now: i64) -> Reply {
        match self.issue(tenant, basic, &Query::parse(form), root, now / 1000) {
            Ok(token) => Reply::json(
                200,
                json!({
                    "token_type": "Bearer",
                    "expires_in": self.lifetime,
                    "ext_expires_in": self.lifetime,
                    "access_token": token,
                }),
            )
            .header("cache-control", "no-store, no-cache"),
            Err(error) => error.reply(),
        }
    }

    /// The refusal of every request while the `token_refused` fault is on.
    pub(crate) fn refuse_token() -> Reply {
        wrong_secret("").reply()
    }

    fn issue(
        &self,
        tenant: &str,
        basic: Option<&str>,
        form: &Query,
        root: &str,
        now: i64,
    ) -> Result<String, TokenError> {
        if !self.is_tenant(tenant) {
            return refuse(400, "invalid_request", 90002, format!("Tenant '{tenant}' not found."));
        }
        match form.get("grant_type") {
            Some("client_credentials") => {}
            Some(other) => {
                return refuse(
                    400,
                    "unsupported_grant_type",
                    70003,
                    format!("The app requested an unsupported grant type '{other}'."),
                );
            }
            None => return missing("grant_type"),
        }
        let basic = basic.and_then(read_basic);
        let assertion = form.get("client_assertion");
        let client = form
            .get("client_id")
            .map(str::to_owned)
            .or_else(|| basic.as_ref().map(|(id, _)| id.clone()))
            .or_else(|| assertion.and_then(subject));
        let Some(client) = client else { return missing("client_id") };
        let Some(registered) = self.apps.iter().find(|known| known.app.client_id.eq_ignore_ascii_case(&client)) else {
            return match client.parse::<Uuid>() {
                Ok(_) => refuse(
                    400,
                    "unauthorized_client",
                    700016,
                    format!("Application with identifier '{client}' was not found in the directory."),
                ),
                Err(_) => refuse(
                    400,
                    "unauthorized_client",
                    700038,
                    format!("{client} is not a valid application identifier."),
                ),
            };
        };
        scope(form, root)?;
        match (assertion, form.get("client_secret").map(str::to_owned).or(basic.map(|(_, secret)| secret))) {
            (Some(assertion), _) => {
                if form.get("client_assertion_type") != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
                    return missing("client_assertion_type");
                }
                registered.check_assertion(assertion, &self.names, now)?;
            }
            (None, Some(secret)) => {
                if registered.app.secret.as_deref() != Some(secret.as_str()) {
                    return Err(wrong_secret(&client));
                }
            }
            (None, None) => {
                return refuse(
                    401,
                    "invalid_client",
                    7000218,
                    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
                );
            }
        }
        self.sign(registered, now)
    }

    fn sign(&self, registered: &Registered, now: i64) -> Result<String, TokenError> {
        let app = &registered.app;
        let oid = Uuid::new_v5(&self.tenant, format!("service principal {}", app.client_id).as_bytes());
        let claims = json!({
            "aud": "https://graph.microsoft.com",
            "iss": format!("https://sts.windows.net/{}/", self.tenant),
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime,
            "app_displayname": app.client_id,
            "appid": app.client_id,
            "appidacr": if registered.certificates.is_empty() { "1" } else { "2" },
            "idtyp": "app",
            "oid": oid,
            "roles": app.roles,
            "sub": oid,
            "tid": self.tenant,
            "uti": Uuid::new_v4(),
            "ver": "1.0",
        });
        let header = Header { kid: Some("emulator".into()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.signing)
            .or_else(|error| refuse(500, "server_error", 90033, error.to_string()))
    }

    /// Whether a word in an address stands for our tenant.
    pub(crate) fn is_tenant(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// `/{tenant}/v2.0/.well-known/openid-configuration`
    pub(crate) fn configuration(&self, tenant: &str, root: &str) -> Reply {
        if !self.is_tenant(tenant) {
            let error = TokenError {
                status: 400,
                error: "invalid_tenant",
                code: 90002,
                message: format!("Tenant '{tenant}' not found."),
            };
            return error.reply();
        }
        Reply::json(
            200,
            json!({
                "token_endpoint": format!("{root}/{tenant}/oauth2/v2.0/token"),
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
                "jwks_uri": format!("{root}/{tenant}/discovery/v2.0/keys"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "issuer": format!("{root}/{}/v2.0", self.tenant),
                "authorization_endpoint": format!("{root}/{tenant}/oauth2/v2.0/authorize"),
                "device_authorization_endpoint": format!("{root}/{tenant}/oauth2/v2.0/devicecode"),
                "tenant_region_scope": "EU",
                "cloud_instance_name": "localhost",
            }),
        )
    }

    /// The public key, for whoever wants to check our tokens.
    pub(crate) fn keys(&self) -> Reply {
        let key = jsonwebtoken::jwk::Jwk::from_encoding_key(&self.signing, Algorithm::RS256);
        let mut key = key.ok().and_then(|key| serde_json::to_value(key).ok()).unwrap_or_default();
        if let Some(map) = key.as_object_mut() {
            map.insert("kid".into(), "emulator".into());
            map.insert("use".into(), "sig".into());
        }
        Reply::json(200, json!({"keys": [key]}))
    }

    /// Who calls, from the `Authorization` header. `now` is in milliseconds.
    ///
    /// # Errors
    /// 401 for a token that is missing, forged or expired.
    pub(crate) fn caller(&self, header: Option<&str>, now: i64) -> Result<Arc<Caller>, Refusal> {
        let denied = |message: &str| {
            let mut refusal = Refusal::new(401, "InvalidAuthenticationToken", message);
            refusal
                .headers
                .push(("www-authenticate", "Bearer realm=\"\", authorization_uri=\"\", client_id=\"\"".into()));
            refusal
        };
        let Some(token) =
            header.and_then(|header| header.split_once(' ')).filter(|(word, _)| word.eq_ignore_ascii_case("bearer"))
        else {
            return Err(denied("Access token is empty."));
        };
        let token = token.1.trim();
        let expired = || denied("Lifetime validation failed, the token is expired.");
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((caller, until)) = checked.get(token) {
            return if *until > now / 1000 { Ok(Arc::clone(caller)) } else { Err(expired()) };
        }
        let data = jsonwebtoken::decode::<Json>(token, &self.checking, &validation(Algorithm::RS256))
            .map_err(|_| denied("Invalid authentication token: the signature or the format is wrong."))?;
        let claims = data.claims;
        let until = claims.get("exp").and_then(Json::as_i64).unwrap_or_default();
        if until <= now / 1000 {
            return Err(expired());
        }
        let texts = |value: Option<&Json>| {
            let list = value.and_then(Json::as_array).into_iter().flatten();
            list.filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let app = claims.get("appid").and_then(Json::as_str).unwrap_or_default().to_owned();
        let caller = Arc::new(Caller { app, roles: texts(claims.get("roles")) });
        if checked.len() >= 1000 {
            checked.clear();
        }
        checked.insert(token.to_owned(), (Arc::clone(&caller), until));
        Ok(caller)
    }
}

/// Signature only: times and names are checked here, where floats and clock differences are allowed for.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

impl Registered {
    fn check_assertion(&self, assertion: &str, names: &[String], now: i64) -> Result<(), TokenError> {
        let wrong = |why: &str| {
            let message = format!(
                "The certificate with identifier used to sign the client assertion is not registered on application, or the signature is wrong. [Reason - {why}.]"
            );
            Err(TokenError { status: 401, error: "invalid_client", code: 700027, message })
        };
        let Ok(header) = jsonwebtoken::decode_header(assertion) else { return wrong("the assertion is not a JWT") };
        if !matches!(header.alg, Algorithm::PS256 | Algorithm::RS256) {
            return wrong("the algorithm is not supported");
        }
        let certificate = self.certificates.iter().find(|known| {
            let same =
                |sent: &Option<String>, own: &str| sent.as_deref().map(|text| text.trim_end_matches('=')) == Some(own);
            same(&header.x5t_s256, &known.sha256) || same(&header.x5t, &known.sha1)
        });
        let Some(certificate) = certificate else { return wrong("the key was not found") };
        let key = DecodingKey::from_rsa_der(&certificate.public_key);
        let Ok(data) = jsonwebtoken::decode::<Json>(assertion, &key, &validation(header.alg)) else {
            return wrong("the signature is wrong");
        };
        let claims = data.claims;
        let named = |claim: &str| {
            claims.get(claim).and_then(Json::as_str).is_some_and(|id| id.eq_ignore_ascii_case(&self.app.client_id))
        };
        if !named("iss") || !named("sub") {
            return refuse(
                401,
                "invalid_client",
                700021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            );
        }
        let audience = claims.get("aud").and_then(Json::as_str).unwrap_or_default();
        let ours = names.iter().any(|name| {
            let tenant = format!("/{name}/").to_lowercase();
            audience.to_lowercase().contains(&tenant)
        });
        if !ours {
            return refuse(
                401,
                "invalid_client",
                700023,
                "Client assertion audience claim does not match Realm issuer.",
            );
        }
        let now = now as f64;
        let time = |claim: &str| claims.get(claim).and_then(Json::as_f64);
        let alive = time("exp").is_some_and(|exp| exp > now - SKEW) && time("nbf").is_none_or(|nbf| nbf < now + SKEW);
        if !alive {
            return refuse(401, "invalid_client", 700024, "Client assertion is not within its valid time range.");
        }
        Ok(())
    }
}

fn scope(form: &Query, root: &str) -> Result<(), TokenError> {
    let Some(scope) = form.get("scope") else { return missing("scope") };
    let scopes: Vec<&str> = scope.split_whitespace().collect();
    let [scope] = scopes.as_slice() else {
        return refuse(
            400,
            "invalid_request",
            28000,
            "Provided value for the input parameter scope is not valid because it contains more than one resource.",
        );
    };
    let Some(resource) = scope.strip_suffix("/.default") else {
        return refuse(
            400,
            "invalid_scope",
            1002012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier."
            ),
        );
    };
    let resource = resource.trim_end_matches('/');
    if resource == root || GRAPH.contains(&resource) {
        return Ok(());
    }
    refuse(
        400,
        "invalid_resource",
        500011,
        format!("The resource principal named {resource} was not found in the tenant."),
    )
}

fn missing<T>(parameter: &str) -> Result<T, TokenError> {
    refuse(
        400,
        "invalid_request",
        900144,
        format!("The request body must contain the following parameter: '{parameter}'."),
    )
}

fn wrong_secret(client: &str) -> TokenError {
    let message = format!(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
    );
    TokenError { status: 401, error: "invalid_client", code: 7_000_215, message }
}

fn read_basic(header: &str) -> Option<(String, String)> {
    let encoded = header.split_once(' ').filter(|(word, _)| word.eq_ignore_ascii_case("basic"))?.1;
    let text = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((unescape(id, true), unescape(secret, true)))
}

fn subject(assertion: &str) -> Option<String> {
    let claims: Json = jsonwebtoken::dangerous::insecure_decode_claims(assertion).ok()?;
    claims.get("sub").and_then(Json::as_str).map(str::to_owned)
}

impl TokenError {
    fn reply(self) -> Reply {
        let trace = Uuid::new_v4();
        let correlation = Uuid::new_v4();
        let stamp = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            self.code, self.message
        );
        Reply::json(
            self.status,
            json!({
                "error": self.error,
                "error_description": description,
                "error_codes": [self.code],
                "timestamp": stamp,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
            }),
        )
    }
}
