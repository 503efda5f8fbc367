// Microsoft's client for JavaScript, unmodified, against the emulated Entra ID: what it does there, it does with a tenant.
//
// Arguments: the address of the emulator, its authority (PEM; also in NODE_EXTRA_CA_CERTS), tenant, client id, secret.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { ClientSecretCredential } from "@azure/identity";
import { BatchRequestContent, BatchResponseContent, Client, PageIterator } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from
    "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

// Node 18, which Debian 12 has, keeps it out of the way; the library for signing in asks for it.
globalThis.crypto ??= webcrypto;

const [root, , tenant, app, secret] = process.argv.slice(2);
const credential = new ClientSecretCredential(tenant, app, secret, { authorityHost: root, disableInstanceDiscovery: true });
const graph = Client.initWithMiddleware({
    baseUrl: root,
    customHosts: new Set(["127.0.0.1"]),
    authProvider: new TokenCredentialAuthenticationProvider(credential, { scopes: [`${root}/.default`] }),
});

const person = (number) => ({
    accountEnabled: true,
    displayName: `Person ${number}`,
    mailNickname: `person${number}`,
    userPrincipalName: `person${number}@contoso.com`,
    passwordProfile: { password: "An 1nitial one" },
});
const refused = (status, code, work) =>
    assert.rejects(work, (error) => error.statusCode === status && error.code === code);

const people = [];
for (let number = 1; number <= 7; number += 1) {
    people.push(await graph.api("/users").post(person(number)));
}
const [anna, boss] = people;
assert.equal((await graph.api(`/users/${anna.id}`).select("displayName").get()).displayName, "Person 1");
await graph.api(`/users/${anna.id}`).patch({ department: "Sales" });
assert.equal((await graph.api(`/users/${anna.id}`).select(["id", "department"]).get()).department, "Sales");
await refused(404, "Request_ResourceNotFound", graph.api("/users/nobody@contoso.com").get());

const seen = [];
const page = await graph.api("/users").top(3).select("id").get();
await new PageIterator(graph, page, (user) => seen.push(user.id) > 0).iterate();
assert.deepEqual(seen.sort(), people.map((user) => user.id).sort());
const counted = await graph.api("/users").header("ConsistencyLevel", "eventual").count(true).top(1)
    .filter("endsWith(userPrincipalName,'@contoso.com')").get();
assert.equal(counted["@odata.count"], 7);

await graph.api(`/users/${anna.id}/manager/$ref`).put({ "@odata.id": `${root}/v1.0/users/${boss.id}` });
assert.equal((await graph.api(`/users/${anna.id}/manager`).get()).id, boss.id);
await graph.api(`/users/${anna.id}/manager/$ref`).delete();
await refused(404, "Request_ResourceNotFound", graph.api(`/users/${anna.id}/manager`).get());

const group = await graph.api("/groups").post({
    displayName: "Sales", mailEnabled: false, mailNickname: "sales", securityEnabled: true,
});
await graph.api(`/groups/${group.id}/members/$ref`).post({ "@odata.id": `${root}/v1.0/directoryObjects/${anna.id}` });
assert.deepEqual((await graph.api(`/groups/${group.id}/members`).get()).value.map((member) => member.id), [anna.id]);
await graph.api(`/groups/${group.id}/members/${anna.id}/$ref`).delete();
assert.deepEqual((await graph.api(`/groups/${group.id}/members`).get()).value, []);

// A batch in three steps, the last of which fails with the one that it depends on.
const step = (id, method, path, body, dependsOn = []) => ({
    id,
    dependsOn,
    request: new Request(`${root}/v1.0${path}`, {
        method,
        headers: body ? { "Content-Type": "application/json" } : {},
        body: body ? JSON.stringify(body) : undefined,
    }),
});
const batch = new BatchRequestContent([
    step("1", "PATCH", `/users/${boss.id}`, { jobTitle: "Head" }),
    step("2", "GET", `/users/${boss.id}?$select=jobTitle`, undefined, ["1"]),
    step("3", "DELETE", "/users/00000000-0000-0000-0000-000000000001", undefined, ["2"]),
    step("4", "DELETE", `/users/${boss.id}`, undefined, ["3"]),
]);
const answers = new BatchResponseContent(await graph.api("/$batch").post(await batch.getContent()));
const status = (id) => answers.getResponseById(id).status;
assert.deepEqual(["1", "2", "3", "4"].map(status), [204, 200, 404, 424]);
assert.equal((await answers.getResponseById("2").json()).jobTitle, "Head");

const toTheEnd = async (address) => {
    let answer = await graph.api(address).get();
    const found = [...answer.value];
    while (answer["@odata.nextLink"]) {
        answer = await graph.api(answer["@odata.nextLink"]).get();
        found.push(...answer.value);
    }
    return [found, answer["@odata.deltaLink"]];
};
const [all, link] = await toTheEnd("/users/delta?$select=jobTitle");
assert.equal(all.length, 7);
await graph.api(`/users/${boss.id}`).patch({ jobTitle: null });
await graph.api(`/users/${anna.id}`).delete();
const [changed] = await toTheEnd(link);
assert.deepEqual(changed.map((user) => user.id).sort(), [anna.id, boss.id].sort());
assert.deepEqual(changed.find((user) => user.id === anna.id)["@removed"], { reason: "changed" });

await graph.api(`/directory/deletedItems/${anna.id}/restore`).post({});
assert.equal((await graph.api(`/users/${anna.id}`).get()).displayName, "Person 1");
console.log("everything as in a tenant");
