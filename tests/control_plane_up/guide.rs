//! What to type.

use finp2p_tests::consortium::Consortium;

/// Of the clients that the samples name, the ones that the guide is for.
const PROGRAMS: [(&str, &str); 2] = [("bank-a", "fixed-income-desk"), ("bank-b", "trading")];

/// Makes the accounts that the guide uses.
pub fn accounts(banks: &Consortium<'_>) {
    for (bank, account) in PROGRAMS {
        let _identity = banks.bank(bank).namespace.account(account);
    }
}

/// Lines to copy, each with what it shows.
pub fn text(banks: &Consortium<'_>, environment: &str) -> String {
    let (bank_a, bank_b) = (banks.bank("bank-a"), banks.bank("bank-b"));
    let [api_a, api_b] = PROGRAMS.map(|(bank, account)| banks.bank(bank).api(account).base);
    let logs = banks.cluster().folder().join("logs");
    let logs = logs.display();
    let (metrics_a, metrics_b) = (bank_a.metrics_url(), bank_b.metrics_url());
    let operator = banks.operator_url();
    format!(
        r#"
In another terminal:

{environment}

# what is declared, and what became of it
kubectl get finp2p -A
kubectl describe sharingpolicy bond-terms-to-distributors -n bank-a

# a program of bank-b, known by the token of its service account, asks for the bond of bank-a
TOKEN_B=$(kubectl create token trading -n bank-b --audience finp2p-bank-b-api)
curl -s -H "Authorization: Bearer $TOKEN_B" {api_b}/v1/fetch --json '{{"resource": "bank-a:102:ZZGREEN20318"}}'

# a program of bank-a reads the bond as bank-a has it, at its own node
TOKEN_A=$(kubectl create token fixed-income-desk -n bank-a --audience finp2p-bank-a-api)
curl -s -H "Authorization: Bearer $TOKEN_A" {api_a}/v1/assets/ZZGREEN20318

# take /terms/coupon out of spec.fields, save, and ask again as bank-b: the coupon is gone
kubectl edit sharingpolicy bond-terms-to-distributors -n bank-a

# a mistake is told: in the status, and as an Event
kubectl patch sharingpolicy bond-terms-to-distributors -n bank-a --type merge -p '{{"spec": {{"retentionDays": 30}}}}'
kubectl wait sharingpolicy bond-terms-to-distributors -n bank-a --for condition=Stalled --timeout 30s
kubectl describe sharingpolicy bond-terms-to-distributors -n bank-a
kubectl patch sharingpolicy bond-terms-to-distributors -n bank-a --type merge -p '{{"spec": {{"retentionDays": null}}}}'
kubectl wait sharingpolicy bond-terms-to-distributors -n bank-a --for condition=Ready --timeout 30s

# what the operator made, and what the node of bank-a may do
kubectl get statefulset,service,role,networkpolicy,sidecarconfig -n bank-a
kubectl auth can-i --list -n bank-a --as system:serviceaccount:bank-a:finp2p-node

# both nodes describe their local API at /openapi.json, and say how they are at /v1/status
curl -s -H "Authorization: Bearer $TOKEN_A" {api_a}/v1/status
curl -s -H "Authorization: Bearer $TOKEN_B" {api_b}/v1/status

# metrics of the operator and of the two nodes; what they all log
curl -s {operator}/metrics
curl -s {metrics_a}/metrics
curl -s {metrics_b}/metrics
tail -n 5 {logs}/*.log

No pod runs: there is no machine for pods here, so the operator and the two sidecars are processes, with
the arguments that their objects say. Deleting a StatefulSet does not end the process.
Ctrl-C ends everything and removes what it made."#
    )
}
