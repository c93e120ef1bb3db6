//! `certify`: once a year, in place, and never over a good Secret of somebody else.

use super::*;

#[test]
fn certify_renews_the_same_issuing_key_in_place() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let file = path(folder.path(), "bank-a-issuer.yaml");
    let root = path(folder.path(), "bank-a-root-key.pem");
    let before = secret(Path::new(&file));
    let later = keygen::days_after(now(), 360).unwrap();
    certify(&["--root-key", &root, "--issuer", &file], later).unwrap();
    let after = secret(Path::new(&file));
    assert_eq!(before["key.pem"], after["key.pem"]);
    assert_ne!(before["certificate"], after["certificate"]);
    let signer = Signer::from_secret("bank-a", NETWORK, &after).unwrap();
    let in_a_month = keygen::days_after(later, 30).unwrap();
    signer
        .sign(&request(&[Use::Net], 1), in_a_month, 5)
        .unwrap();
    let former = Signer::from_secret("bank-a", NETWORK, &before).unwrap();
    let refused = former.sign(&request(&[Use::Net], 1), in_a_month, 5);
    assert!(matches!(refused, Err(SigningError::NotValid)));
}

#[test]
fn certify_rewrites_what_a_link_leads_to_and_the_link_stays() {
    let (folder, vault) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    keygen(folder.path(), &[]).unwrap();
    let link = folder.path().join("bank-a-issuer.yaml");
    let kept = vault.path().join("issuer.yaml");
    std::fs::rename(&link, &kept).unwrap();
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    let root = path(folder.path(), "bank-a-root-key.pem");
    let (before, link) = (secret(&kept), link.to_str().unwrap());
    certify(&["--root-key", &root, "--issuer", link], now()).unwrap();
    assert_eq!(std::fs::read_link(link).unwrap(), kept);
    let after = secret(&kept);
    assert_eq!(before["key.pem"], after["key.pem"]);
    assert_ne!(before["certificate"], after["certificate"]);
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn certify_makes_a_new_issuing_key_when_none_is_given() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let (root, new) = (
        path(folder.path(), "bank-a-root-key.pem"),
        path(folder.path(), "new.yaml"),
    );
    certify(&["--root-key", &root, "--out", &new], now()).unwrap();
    let former = secret(&folder.path().join("bank-a-issuer.yaml"));
    assert_ne!(former["key.pem"], secret(Path::new(&new))["key.pem"]);
    let again = certify(&["--root-key", &root, "--out", &new], now()).unwrap_err();
    assert!(
        matches!(again, CertifyError::File(FileError::Exists(_))),
        "{again}"
    );
}

#[test]
fn certify_leaves_a_good_secret_alone_when_root_network_or_organization_are_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let file = path(folder.path(), "bank-a-issuer.yaml");
    let root = path(folder.path(), "bank-a-root-key.pem");
    let other = path(folder.path(), "other-root-key.pem");
    let key = SigningKey::from_seed(&[7; 32]);
    std::fs::write(&other, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    let before = std::fs::read(&file).unwrap();
    let refused = |organization: &str, network: &str, root: &str| {
        let words = ["--root-key", root, "--issuer", file.as_str()];
        let error = certify_for(organization, network, &words, now()).unwrap_err();
        assert_eq!(std::fs::read(&file).unwrap(), before);
        error
    };
    let error = refused("bank-a", NETWORK, &other);
    assert!(matches!(error, CertifyError::OtherRoot { .. }), "{error}");
    assert!(error.to_string().contains("leave out --issuer"), "{error}");
    let error = refused("bank-a", "production", &root);
    assert!(
        matches!(error, CertifyError::OtherNetwork { .. }),
        "{error}"
    );
    let error = refused("bank-b", NETWORK, &root);
    assert!(
        matches!(error, CertifyError::OtherOrganization { .. }),
        "{error}"
    );
    let text = String::from_utf8(before.clone()).unwrap();
    let line = text.lines().find(|line| line.contains("certificate: "));
    let damaged = text.replace(line.unwrap(), "  certificate: none");
    std::fs::write(&file, damaged).unwrap();
    certify(&["--root-key", &root, "--issuer", &file], now()).unwrap();
}

#[test]
fn certify_never_puts_the_root_into_a_secret_and_takes_no_other_file_for_a_key() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let root = path(folder.path(), "bank-a-root-key.pem");
    let record = path(folder.path(), "bank-a.yaml");
    let pem = std::fs::read_to_string(&root).unwrap();
    let wrapped = path(folder.path(), "wrapped.yaml");
    let indented = pem.replace('\n', "\n    ");
    let manifest = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData:\n  key.pem: |\n    {indented}\n"
    );
    std::fs::write(&wrapped, manifest).unwrap();
    let same = certify(&["--root-key", &root, "--issuer", &wrapped], now()).unwrap_err();
    assert!(matches!(same, CertifyError::Same(_)), "{same}");
    let no_key = certify(&["--root-key", &record, "--issuer", &wrapped], now()).unwrap_err();
    assert!(matches!(no_key, CertifyError::Root(_)), "{no_key}");
    let no_secret = certify(&["--root-key", &root, "--issuer", &record], now()).unwrap_err();
    assert!(
        matches!(no_secret, CertifyError::Issuer { .. }),
        "{no_secret}"
    );
}
