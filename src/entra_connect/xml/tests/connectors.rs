//! Connectors and the metaverse.

use super::*;
use crate::entra_connect::export::Connector;

const AD: &str = r##"<ma-data>
  <id>{AE4DB4CC-B16B-4EB2-ACF5-837CA84E4D7D}</id><name>contoso.com</name><category>AD</category><subtype />
  <schema><d:dsml xmlns:d="http://www.dsml.org/DSML" xmlns:m="http://www.microsoft.com/MMS/DSML"><d:directory-schema>
    <d:attribute-type id="A0" single-value="true" m:range-upper="5"><d:name>uSNChanged</d:name><d:syntax>1.2.840.113556.1.4.906</d:syntax></d:attribute-type>
    <d:attribute-type id="A1"><d:name>authOrig</d:name><d:syntax>1.2.840.113556.1.4.1221</d:syntax></d:attribute-type>
    <attribute-type id="A2"><d:name>elsewhere</d:name></attribute-type>
    <d:attribute-type id="A3" single-value="false"><d:name>odd</d:name><d:syntax>1.2.3</d:syntax></d:attribute-type>
    <d:class id="C0" type="structural"><d:name>user</d:name><d:attribute ref="#A0" required="false"/></d:class>
  </d:directory-schema></d:dsml></schema>
  <private-configuration><adma-configuration><forest-login-user>MSOL_1</forest-login-user>
    <password-hash-sync-config><enabled>1</enabled><target>{B8}</target></password-hash-sync-config>
    <aad-password-reset-config><enabled>0</enabled></aad-password-reset-config>
    <parameter-values>
      <parameter name="forest-login-user" use="connectivity" type="string">MSOL_1</parameter>
      <parameter name="forest-login-domain" use="connectivity" type="string">contoso.com</parameter>
      <parameter name="hidden" type="encrypted-string" use="connectivity">s1</parameter>
      <parameter name="hidden too" type="string" encrypted="1">s2</parameter>
      <parameter name="Admin Password" type="string" use="global">s3</parameter>
      <parameter name="client_secret" type="string" use="global">s4</parameter>
      <parameter name="Forest.FQDN" type="string" use="global" intrinsic="1">contoso.com</parameter>
      <parameter name="ADS_UF_ACCOUNTDISABLE" type="string" use="global">0x2</parameter>
    </parameter-values></adma-configuration></private-configuration>
  <attribute-inclusion><attribute>mail</attribute><attribute>sn</attribute></attribute-inclusion>
  <join/><projection/><export-attribute-flow/>
  <ma-partition-data><partition><name>DC=contoso,DC=com</name><selected>1</selected>
    <filter><object-classes><object-class>user</object-class></object-classes>
      <containers><exclusions><exclusion>DC=contoso,DC=com</exclusion></exclusions>
      <inclusions><inclusion>OU=CORP,DC=contoso,DC=com</inclusion></inclusions></containers></filter>
    <custom-data><cookie>s5</cookie></custom-data>
    <parameter-values><parameter name="cookie" use="partition">s6</parameter><parameter name="water-mark">s7</parameter>
      <parameter name="Domain.FQDN" use="partition">contoso.com</parameter></parameter-values></partition>
    <partition><name>DC=lab,DC=contoso,DC=com</name><selected>0</selected></partition></ma-partition-data>
</ma-data>"##;

fn connector(text: &str) -> Connector {
    export(text).connectors.pop().unwrap()
}

#[test]
fn a_connector_is_read_without_its_secrets() {
    let export = export(AD);
    let connector = export.connectors.first().unwrap();
    assert_eq!(
        (connector.id.as_str(), &connector.kind),
        ("ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d", &ConnectorKind::ActiveDirectory)
    );
    assert_eq!(connector.accounts, ["MSOL_1"]);
    assert_eq!(connector.selected, ["mail", "sn"]);
    expect![[r#"
        {
            "ADS_UF_ACCOUNTDISABLE": "0x2",
            "Forest.FQDN": "contoso.com",
            "forest-login-domain": "contoso.com",
        }
    "#]]
    .assert_debug_eq(&connector.parameters);
    expect![[r#"
        {
            "password-hash-sync": "enabled",
        }
    "#]]
    .assert_debug_eq(&connector.features);
    let all = format!("{export:?}");
    for secret in ["s1", "s2", "s3", "s4", "s5", "s6", "s7"] {
        assert!(!all.contains(&format!("\"{secret}\"")), "{secret}");
    }
}

#[test]
fn partitions_say_what_is_in_them() {
    expect![[r#"
        [
            Partition {
                dn: "DC=contoso,DC=com",
                selected: true,
                object_classes: [
                    "user",
                ],
                includes: [
                    "OU=CORP,DC=contoso,DC=com",
                ],
                excludes: [
                    "DC=contoso,DC=com",
                ],
                parameters: {
                    "Domain.FQDN": "contoso.com",
                },
            },
            Partition {
                dn: "DC=lab,DC=contoso,DC=com",
                selected: false,
                object_classes: [],
                includes: [],
                excludes: [],
                parameters: {},
            },
        ]
    "#]]
    .assert_debug_eq(&connector(AD).partitions);
}

#[test]
fn a_schema_is_known_by_its_namespace_and_not_by_a_prefix() {
    let expected = expect![[r#"
        authOrig Reference true
        odd Text true
        uSNChanged Integer false
    "#]];
    let prefixed = export(AD);
    let default = AD.replace("<attribute-type id=\"A2\"><d:name>elsewhere</d:name></attribute-type>", "");
    let default = default.replace("<d:", "<").replace("</d:", "</").replace("xmlns:d=", "xmlns=");
    for connector in [prefixed.connectors.first().unwrap(), &connector(&default)] {
        let lines =
            connector.schema.iter().map(|(name, schema)| format!("{name} {:?} {}\n", schema.kind, schema.multi));
        expected.assert_eq(&lines.collect::<String>());
    }
    expect![[r#"
        export.xml:7: the syntax `1.2.3` in the schema is not known, and taken for text
    "#]]
    .assert_eq(&remarks(&prefixed));
}

#[test]
fn the_tenant_is_known_by_its_id_or_by_what_it_is() {
    let tenant = AD.replace("{AE4DB4CC-B16B-4EB2-ACF5-837CA84E4D7D}", "{B891884F-051E-4A83-95AF-2544101C9083}");
    assert_eq!(connector(&tenant).kind, ConnectorKind::Entra);
    let tenant = AD
        .replace(">AD<", ">Extensible2<")
        .replace("<subtype />", "<subtype>Windows Azure Active Directory (Microsoft)</subtype>");
    assert_eq!(connector(&tenant).kind, ConnectorKind::Entra);
    assert_eq!(connector(&AD.replace(">AD<", ">Extensible2<")).kind, ConnectorKind::Other("Extensible2".to_owned()));
}

#[test]
fn a_wrapped_connector_is_the_same() {
    let wrapped = format!("<saved-ma-configuration server='SYNC01'>{AD}{AD}</saved-ma-configuration>");
    let wrapped = export(&wrapped);
    assert_eq!(wrapped.server.as_deref(), Some("SYNC01"));
    assert_eq!(format!("{:?}", wrapped.connectors.first().unwrap()), format!("{:?}", connector(AD)));
    expect![[r#"
        export.xml:33: the connector `contoso.com` (`ae4db4cc-b16b-4eb2-acf5-837ca84e4d7d`) is there more than once
        export.xml:7: the syntax `1.2.3` in the schema is not known, and taken for text (2 times, first here)
    "#]]
    .assert_eq(&remarks(&wrapped));
}

const METAVERSE: &str = r#"<saved-mv-configuration server='SYNC01' export-date='2016-05-03 14:28:09.784'>
<!--WARNING !! -->
<mv-data><schema><dsml xmlns="http://www.dsml.org/DSML"><directory-schema>
  <attribute-type id="mail" single-value="true"><name>mail</name><syntax>1.3.6.1.4.1.1466.115.121.1.15</syntax></attribute-type>
  <attribute-type id="created" single-value="true"><syntax>1.3.6.1.4.1.1466.115.121.1.24</syntax></attribute-type>
  <attribute-type id="photo"><name>photo</name><syntax>1.3.6.1.4.1.1466.115.121.1.5</syntax></attribute-type>
</directory-schema></dsml></schema>
<parameter-values>
  <parameter name="Microsoft.Synchronize.ServerConfigurationVersion" use="SynchronizationGlobal">1.1.130.0</parameter>
  <parameter name="Microsoft.OptionalFeature.PasswordHashSync" use="SynchronizationGlobal">False</parameter>
  <parameter name="Microsoft.GroupWriteBack.Forest" use="SynchronizationGlobal" />
  <parameter name="Microsoft.Proxy.Password" use="SynchronizationGlobal">hush</parameter>
</parameter-values></mv-data></saved-mv-configuration>"#;

#[test]
fn the_metaverse_brings_the_settings_of_the_server() {
    let export = export(METAVERSE);
    assert_eq!((export.server.as_deref(), export.version.as_deref()), (Some("SYNC01"), Some("1.1.130.0")));
    expect![[r#"
        {
            "Microsoft.GroupWriteBack.Forest": "",
            "Microsoft.OptionalFeature.PasswordHashSync": "False",
            "Microsoft.Synchronize.ServerConfigurationVersion": "1.1.130.0",
        }
    "#]]
    .assert_debug_eq(&export.settings);
    let kinds: Vec<_> =
        export.metaverse.iter().map(|(name, schema)| (name.as_str(), schema.kind, schema.multi)).collect();
    assert_eq!(kinds, [("created", Kind::Time, false), ("mail", Kind::Text, false), ("photo", Kind::Bytes, true)]);
}

#[test]
fn files_of_identity_manager_are_refused() {
    let flow =
        AD.replace("<export-attribute-flow/>", "<export-attribute-flow><export-flow-set/></export-attribute-flow>");
    let sql = AD.replace(">AD<", ">MSSQL<").replace("<join/>", "<import-attribute-flow><x/></import-attribute-flow>");
    let metaverse = METAVERSE.replace("\"Microsoft.", "\"Contoso.");
    let metaverse_flow = METAVERSE
        .replace("<parameter-values>", "<import-attribute-flow><x/></import-attribute-flow><parameter-values>");
    for text in [&sql, &metaverse, &metaverse_flow, &AD.replace(">AD<", ">FIM<")] {
        let error = read(text).unwrap_err();
        assert!(error.message.starts_with("this file is of Microsoft Identity Manager"), "{error}");
    }
    refused(
        &format!("<saved-ma-configuration>\n{flow}</saved-ma-configuration>"),
        expect![[r#"
            export.xml:2: this file is of Microsoft Identity Manager, which is not read: it has flows in `<export-attribute-flow>`
            export the configuration of Entra Connect with `Get-ADSyncServerConfiguration -Path FOLDER`
        "#]],
    );
    refused(
        "<export-flow>\n<sync-rule-mapping mapping-type='direct'/></export-flow>",
        expect![[r#"
            export.xml:2: this file is of Microsoft Identity Manager, which is not read: it has a `<sync-rule-mapping>`
            export the configuration of Entra Connect with `Get-ADSyncServerConfiguration -Path FOLDER`
        "#]],
    );
}
