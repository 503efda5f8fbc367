//! LDAP servers as targets: OpenLDAP writes to Active Directory with the rules of `examples/openldap-to-ad`, and Active
//! Directory to OpenLDAP and Entra ID at once with those of `examples/ad-to-openldap`. Real servers, the real program.

use std::path::Path;
use std::process::Command;

use super::server::Server;

const BASE: &str = "dc=contoso,dc=test";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy_rules(from: &str, to: &Path) {
    for file in std::fs::read_dir(repository().join(from)).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "rhai") {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// A section of the configuration for a server.
fn section(name: &str, kind: &str, server: &Server, password: &Path, more: &str) -> String {
    std::fs::write(password, server.fact("BIND_PASSWORD")).unwrap();
    format!(
        "[connector.{name}]\nkind = \"{kind}\"\nurl = \"{}\"\nca_file = \"{}\"\nbind_dn = \"{}\"\n\
         password = \"file:{}\"\n{more}\n",
        server.fact("LDAPS_URL"),
        server.fact("CA_FILE"),
        server.fact("BIND_DN"),
        password.display()
    )
}

/// Runs the program, which must end with this code; gives all that it says.
fn syncline(folder: &Path, arguments: &str, code: i32) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_syncline")).args(arguments.split(' ')).current_dir(folder).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments}\n{said}");
    said
}

fn person(uid: &str, name: &str, more: &str) -> String {
    let sn = name.rsplit(' ').next().unwrap();
    format!("dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {name}\nsn: {sn}\n{more}\n")
}

fn source() -> Server {
    let mut text = String::new();
    for ou in ["people", "groups"] {
        text.push_str(&format!("dn: ou={ou},{BASE}\nobjectClass: organizationalUnit\nou: {ou}\n\n"));
    }
    text.push_str(&format!("dn: ou=former,ou=people,{BASE}\nobjectClass: organizationalUnit\nou: former\n\n"));
    text.push_str(&person("ada", "Ada Byron", "title: Analyst\n"));
    text.push_str(&person("jane", "Jane Roe", &format!("manager: uid=ada,ou=people,{BASE}\n")));
    text.push_str(&person("zoe", "Müller, Zoë", "mail: zoe@contoso.test\n"));
    for (cn, members) in [("staff", &["ada", "jane", "zoe"][..]), ("board", &["ada"][..])] {
        text.push_str(&format!("dn: cn={cn},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {cn}\n"));
        for member in members {
            text.push_str(&format!("member: uid={member},ou=people,{BASE}\n"));
        }
        if cn == "board" {
            text.push_str(&format!("member: cn=staff,ou=groups,{BASE}\n"));
        }
        text.push('\n');
    }
    let server = Server::start("slapd", 50, &[], &[]);
    server.client("ldapadd", &[], &text);
    server
}

#[test]
fn openldap_becomes_active_directory_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let (ldap, ad) = (source(), Server::start("samba-ad", 51, &[], &[]));
    ad.client("ldapadd", &[], "dn: OU=Synced,DC=contoso,DC=test\nobjectClass: organizationalUnit\nou: Synced\n");
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    copy_rules("examples/openldap-to-ad/rules", &rules);
    for name in ["in-from-ldap-person.rhai", "in-from-ldap-group.rhai"] {
        std::fs::copy(repository().join("examples/openldap/rules").join(name), rules.join(name)).unwrap();
    }
    let target = "include = [\"OU=Synced,DC=contoso,DC=test\"]\nobjects = [\"user\", \"group\"]\nwrite = true\n\
                  create_parents = true";
    let config = section("ldap", "openldap", &ldap, &folder.path().join("ldap.secret"), "")
        + section("ad", "active-directory", &ad, &folder.path().join("ad.secret"), target).as_str()
        + "[rules.settings]\nformer = \"ou=former,ou=people,dc=contoso,dc=test\"\ndomain = \"contoso.test\"\n\
           people = \"OU=People,OU=Synced\"\ngroups = \"OU=Groups,OU=Synced\"\n";
    std::fs::write(folder.path().join("syncline.toml"), config).unwrap();
    let run = || syncline(folder.path(), "run", 0);
    let shown = |filter: &str, attributes: &[&str]| ad.search("OU=Synced,DC=contoso,DC=test", filter, attributes);

    let first = run();
    assert!(first.contains("5 create, 6 members added"), "{first}");
    ldap.client("ldapadd", &[], &person("jane2", "Jane Roe", ""));
    let namesake = run();
    assert!(namesake.contains("1 create"), "{namesake}");
    assert_eq!(
        shown("(objectClass=user)", &["sAMAccountName", "manager", "userAccountControl"]),
        [
            "dn: CN=ada,OU=People,OU=Synced,DC=contoso,DC=test",
            "sAMAccountName: ada",
            "userAccountControl: 512",
            "dn: CN=jane,OU=People,OU=Synced,DC=contoso,DC=test",
            "manager: CN=ada,OU=People,OU=Synced,DC=contoso,DC=test",
            "sAMAccountName: jane",
            "userAccountControl: 512",
            "dn: CN=jane2,OU=People,OU=Synced,DC=contoso,DC=test",
            "sAMAccountName: jane2",
            "userAccountControl: 512",
            "dn: CN=zoe,OU=People,OU=Synced,DC=contoso,DC=test",
            "sAMAccountName: zoe",
            "userAccountControl: 512",
        ]
    );
    assert_eq!(shown("(sAMAccountName=board)", &["member"]).len(), 3);
    let second = run();
    assert!(second.contains("nothing to write"), "{second}");

    // A new name, a change, somebody who leaves, one who is deleted, and a member less.
    ldap.client(
        "ldapmodify",
        &[],
        &format!(
            "dn: uid=ada,ou=people,{BASE}\nchangetype: modrdn\nnewrdn: uid=countess\ndeleteoldrdn: 1\n\n\
             dn: uid=countess,ou=people,{BASE}\nchangetype: modify\nreplace: title\ntitle: Countess\n\n\
             dn: uid=zoe,ou=people,{BASE}\nchangetype: modrdn\nnewrdn: uid=zoe\ndeleteoldrdn: 0\nnewsuperior: ou=former,ou=people,{BASE}\n\n\
             dn: uid=jane2,ou=people,{BASE}\nchangetype: delete\n\n\
             dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\nreplace: member\n\
             member: uid=countess,ou=people,{BASE}\nmember: uid=zoe,ou=former,ou=people,{BASE}\n\n\
             dn: cn=board,ou=groups,{BASE}\nchangetype: modify\nreplace: member\n\
             member: uid=countess,ou=people,{BASE}\nmember: cn=staff,ou=groups,{BASE}\n"
        ),
    );
    let preview = syncline(folder.path(), "preview ldap uid=ada,ou=people,dc=contoso,dc=test --set title=Baroness", 0);
    assert!(preview.contains("modrdn CN=ada") || preview.contains("modify CN=ada"), "{preview}");
    // Two of four are many: the guard counts a bit of `userAccountControl` as it does `accountEnabled`.
    let stopped = syncline(folder.path(), "run", 5);
    assert!(stopped.contains("this run would disable 2 of 4 users in `ad`"), "{stopped}");
    let allowed = syncline(folder.path(), "run --allow state/stopped-4.jsonl", 0);
    assert!(!allowed.contains("refused"), "{allowed}");
    assert_eq!(
        shown(
            "(|(sAMAccountName=countess)(sAMAccountName=zoe)(sAMAccountName=jane2))",
            &["title", "userAccountControl"]
        ),
        [
            "dn: CN=countess,OU=People,OU=Synced,DC=contoso,DC=test",
            "title: Countess",
            "userAccountControl: 512",
            "dn: CN=jane2,OU=People,OU=Synced,DC=contoso,DC=test",
            // Who is deleted there is disabled here, as the rule says.
            "userAccountControl: 514",
            "dn: CN=zoe,OU=People,OU=Synced,DC=contoso,DC=test",
            "userAccountControl: 514",
        ]
    );
    assert_eq!(
        shown("(sAMAccountName=staff)", &["member"]),
        [
            "dn: CN=staff,OU=Groups,OU=Synced,DC=contoso,DC=test",
            "member: CN=countess,OU=People,OU=Synced,DC=contoso,DC=test",
            "member: CN=zoe,OU=People,OU=Synced,DC=contoso,DC=test",
        ]
    );
    assert!(run().contains("nothing to write"));
}

/// What `ldapsearch` prints of everything below a base, in one file.
fn dump(server: &Server, base: &str, path: &Path) {
    let output = Command::new("ldapsearch")
        .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=500/noprompt", "-H", server.fact("LDAPS_URL")])
        .args(["-D", server.fact("BIND_DN"), "-w", server.fact("BIND_PASSWORD"), "-b", base])
        .env("LDAPTLS_CACERT", server.fact("CA_FILE"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(path, output.stdout).unwrap();
}

#[test]
fn active_directory_becomes_openldap_and_entra_id_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (ad, ldap) = (Server::start("samba-ad", 52, &[], &[]), Server::start("slapd", 53, &[], &[]));
    let generated = Command::new("python3")
        .arg(repository().join("tests/servers/gen-directory"))
        .args("--flavour ad --users 120 --groups 12 --contacts 6 --seed 5 --no-guid".split(' '))
        .output()
        .unwrap();
    ad.client("ldapadd", &[], &String::from_utf8(generated.stdout).unwrap());
    let config = section("ad", "active-directory", &ad, &folder.path().join("ad.secret"), "")
        + section(
            "ldap",
            "openldap",
            &ldap,
            &folder.path().join("ldap.secret"),
            "objects = [\"inetOrgPerson\", \"groupOfNames\"]\nwrite = true\ncreate_parents = true",
        )
        .as_str()
        + "[connector.entra]\nkind = \"entra\"\nemulator = true\n"
        + format!(
            "[rules]\nfolder = \"{}\"\nover = \"{}\"\n",
            repository().join("examples/ad-to-openldap/rules").display(),
            repository().join("rules").display()
        )
        .as_str();
    std::fs::write(folder.path().join("syncline.toml"), config).unwrap();
    let compare = |what: &str| {
        let (from, to) = (folder.path().join("ad.ldif"), folder.path().join("ldap.ldif"));
        dump(&ad, "DC=contoso,DC=test", &from);
        dump(&ldap, BASE, &to);
        let script = repository().join("tests/servers/compare-ldap");
        let verdict = Command::new("python3").arg(script).args([from, to]).output().unwrap();
        let said = String::from_utf8_lossy(&verdict.stdout).into_owned();
        assert!(verdict.status.success(), "{what}\n{said}{}", String::from_utf8_lossy(&verdict.stderr));
        // The same metaverse in the cloud, against the same dump.
        let (script, tenant) = (repository().join("tests/servers/compare"), "state/emulator-entra/state.jsonl");
        let (from, tenant) = (folder.path().join("ad.ldif"), folder.path().join(tenant));
        let verdict = Command::new("python3").arg(script).args([from, tenant]).output().unwrap();
        let said = String::from_utf8_lossy(&verdict.stdout).into_owned();
        assert!(verdict.status.success(), "{what}\n{said}{}", String::from_utf8_lossy(&verdict.stderr));
        assert!(said.contains(" 0 differ"), "{said}");
    };
    let first = syncline(folder.path(), "run", 0);
    compare(&first);
    let second = syncline(folder.path(), "run", 0);
    assert!(second.matches("nothing to write").count() + second.matches("refused before").count() >= 2, "{second}");

    // Two people are called otherwise, one leaves, and one group is gone: names in groups follow.
    let accounts = ad.search("OU=People,DC=contoso,DC=test", "(&(objectClass=user)(userAccountControl=512))", &["1.1"]);
    let names: Vec<&str> = accounts.iter().filter_map(|line| line.strip_prefix("dn: ")).take(3).collect();
    let mut changes = String::new();
    for (name, number) in names.iter().zip(1..3) {
        let new = format!("other.name{number}");
        changes += &format!("dn: {name}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: {new}\n\n");
    }
    changes += &format!("dn: {}\nchangetype: delete\n", names[2]);
    ad.client("ldapmodify", &[], &changes);
    let third = syncline(folder.path(), "run", 0);
    assert!(third.contains("2 update") && third.contains("1 delete"), "{third}");
    compare(&third);
    let fourth = syncline(folder.path(), "run", 0);
    compare(&fourth);
}
