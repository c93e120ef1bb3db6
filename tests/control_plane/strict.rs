//! A mistyped field is refused, at any depth, and named.

use finp2p_tests::control_plane::ControlPlane;

#[test]
fn a_mistyped_field_is_refused_and_named() {
    let namespace = ControlPlane::shared().namespace("strict");
    let cases = [
        (
            "PeerOrganization",
            "{organizationId: bank-b, suspendet: true}",
            "spec.suspendet",
        ),
        (
            "PeerOrganization",
            "{keys: [{id: k, publickey: x}]}",
            "spec.keys[0].publickey",
        ),
        (
            "SharedAsset",
            "{content: {api: {}}, unit: [/a]}",
            "spec.unit",
        ),
        (
            "SharedAsset",
            "{content: {secret: {name: a, key: b, namespace: c}}}",
            "spec.content.secret.namespace",
        ),
        (
            "SharingPolicy",
            "{assets: {selector: {matchLabel: {a: b}}}, peers: {names: [b]}, mode: Pull, allFields: true}",
            "spec.assets.selector.matchLabel",
        ),
        (
            "SidecarConfig",
            "{slice: {entrys: []}}",
            "spec.slice.entrys",
        ),
    ];
    for (kind, spec, field) in cases {
        let manifest = format!(
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"
        );
        // kubectl asks for strictness by itself, too.
        for arguments in [
            &["apply", "--validate=strict", "-f", "-"][..],
            &["apply", "-f", "-"],
        ] {
            let printed = namespace.kubectl(arguments, &manifest);
            assert!(!printed.success, "{kind} with {field} passes");
            let named = format!("unknown field \"{field}\"");
            assert!(
                printed.stderr.contains(&named),
                "{field}: {}",
                printed.stderr
            );
        }
    }
}
