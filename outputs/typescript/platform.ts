// The outputs of a stack of auto-devops, typed, for another stack's program: copy this file into it.
// Made by tools/document_outputs.py from outputs/model.py; don't edit it by hand. docs/outputs.md has all outputs.
//
//     const platform = new Platform(new pulumi.StackReference("organization/auto-devops/home"));
//     export const registry = platform.registryUrl;
//     const cluster = new kubernetes.Provider("cluster", platform.providerArgs());

import * as pulumi from "@pulumi/pulumi";

/** A client's certificate for the shared Docker engine, as PEM. */
export interface DockerClient {
    /** the root that the engine's certificate comes from */
    readonly ca: string;
    /** the client's certificate */
    readonly certificate: string;
    /** its key */
    readonly key: string;
}

/** Where a project is. */
export interface Project {
    /** its page in GitLab */
    readonly url: string;
    /** where what its pipeline deploys answers */
    readonly serviceUrl: string;
    /** its repository by HTTPS */
    readonly cloneHttps: string;
    /** its repository by SSH */
    readonly cloneSsh: string;
    /** its default branch */
    readonly branch: string;
}

/** Where ingress answers. */
export interface Ingress {
    /** address and port */
    readonly http: string;
    /** address and port */
    readonly https: string;
}

/**
 * What a stack tells: each output typed, secret where it is one, and read when it is asked for.
 *
 * One that the stack does not have ends the program in a sentence, but only where it is asked for.
 */
export class Platform {
    private readonly reference: pulumi.StackReference;

    constructor(reference: pulumi.StackReference) {
        this.reference = reference;
    }

    /** The platform's own DNS domain. Since 2026.11. */
    get domain(): pulumi.Output<string> {
        return this.read("domain", text, everyStack("2026.11"));
    }

    /** The root that all of the platform's certificates come from, as PEM. Since 2026.11. */
    get caCertificate(): pulumi.Output<string> {
        return this.read("caCertificate", text, everyStack("2026.11"));
    }

    /** The address of the platform's own name server; null where names are somebody else's (`dns.provider`). Since 2026.11. */
    get dnsServer(): pulumi.Output<string | undefined> {
        return this.read("dnsServer", text, nothing);
    }

    /** The registry; images are named by what follows `https://`. Since 2026.11. */
    get registryUrl(): pulumi.Output<string> {
        return this.read("registryUrl", text, everyStack("2026.11"));
    }

    /** The registry's web page. Since 2026.11. */
    get registryUiUrl(): pulumi.Output<string> {
        return this.read("registryUiUrl", text, everyStack("2026.11"));
    }

    /** The shared Docker engine, as DOCKER_HOST has it. Since 2026.11. */
    get dockerEndpoint(): pulumi.Output<string> {
        return this.read("dockerEndpoint", text, everyStack("2026.11"));
    }

    /** What a client of that engine needs. Since 2026.11. */
    get dockerClient(): pulumi.Output<DockerClient> {
        return this.read("dockerClient", dockerClient, everyStack("2026.11"), { secret: true });
    }

    /** The machines' addresses, by their names in `hosts`. Since 2026.11. */
    get addresses(): pulumi.Output<{ readonly [name: string]: string }> {
        return this.read("addresses", byName(text), everyStack("2026.11"), { byName: true });
    }

    /** The projects, by `<group>-<project>`; empty without GitLab, cluster or projects. Since 2026.11. */
    get projects(): pulumi.Output<{ readonly [name: string]: Project }> {
        return this.read("projects", byName(project), everyStack("2026.11"), { byName: true });
    }

    /** The projects that the stack refuses to lose (`keepRepository`), as `<group>/<project>`. Since 2026.11. */
    get keptRepositories(): pulumi.Output<readonly string[]> {
        return this.read("keptRepositories", listOf(text), everyStack("2026.11"));
    }

    /** GitLab. Since 2026.11, in stacks with GitLab. */
    get gitlabUrl(): pulumi.Output<string> {
        return this.read("gitlabUrl", text, withGitLab("2026.11"));
    }

    /** GitLab's own registry, as images name it. Since 2026.11, in stacks with GitLab. */
    get gitlabRegistry(): pulumi.Output<string> {
        return this.read("gitlabRegistry", text, withGitLab("2026.11"));
    }

    /** The port of git by SSH. Since 2026.11, in stacks with GitLab. */
    get gitlabSshPort(): pulumi.Output<number> {
        return this.read("gitlabSshPort", whole, withGitLab("2026.11"));
    }

    /** An administrator's access token for GitLab's API and git; another one in every period (`gitlab.tokenDays`). Since 2026.11, in stacks with GitLab. */
    get gitlabToken(): pulumi.Output<string> {
        return this.read("gitlabToken", text, withGitLab("2026.11"), { secret: true });
    }

    /** The cluster administrator's kubeconfig, as YAML; changes when its certificate is renewed. Since 2026.11, in stacks with a cluster. */
    get kubeconfig(): pulumi.Output<string> {
        return this.read("kubeconfig", text, withCluster("2026.11"), { secret: true });
    }

    /** The API server, by address. Since 2026.11, in stacks with a cluster. */
    get kubernetesEndpoint(): pulumi.Output<string> {
        return this.read("kubernetesEndpoint", text, withCluster("2026.11"));
    }

    /** The version that runs. Since 2026.11, in stacks with a cluster. */
    get kubernetesVersion(): pulumi.Output<string> {
        return this.read("kubernetesVersion", text, withCluster("2026.11"));
    }

    /** Applications are at `<name>.<baseDomain>`. Since 2026.11, in stacks with a cluster. */
    get baseDomain(): pulumi.Output<string> {
        return this.read("baseDomain", text, withCluster("2026.11"));
    }

    /** Where ingress answers, by scheme. Since 2026.11, in stacks with a cluster. */
    get ingress(): pulumi.Output<Ingress> {
        return this.read("ingress", ingress, withCluster("2026.11"));
    }

    /**
     * The arguments of a kubernetes.Provider for the cluster, as its administrator, whose resources outlive a renewed
     * kubeconfig: with an identifier, only another one replaces the provider (DiffConfig in pulumi-kubernetes v4.32.0,
     * provider/pkg/provider/provider.go).
     */
    providerArgs(): { kubeconfig: pulumi.Output<string>; clusterIdentifier: pulumi.Output<string> } {
        return { kubeconfig: this.kubeconfig, clusterIdentifier: this.kubernetesEndpoint };
    }

    private read<T>(output: string, kind: Kind<T>, absent: Absent<T>, marks: Marks = {}): pulumi.Output<T> {
        // All outputs together are secret if one of them is. Only whether there are any goes on from here.
        const anything = pulumi
            .unsecret(this.reference.outputs)
            .apply((outputs) => Object.keys(outputs ?? {}).length > 0);
        const found = this.reference.getOutput(output);
        // Also where the stack's own program has forgotten that it is one.
        const marked = marks.secret ? pulumi.secret(found) : found;
        return pulumi
            .all([this.reference.name, marked, anything])
            .apply(([stack, value, any]) => convert(stack, output, value, any, kind, absent, marks));
    }
}

/** Makes a value of its type, or says in an `Unexpected` where it is another. */
type Kind<T> = (value: unknown, place: string) => T;

/** What there is where the stack has no such output. */
type Absent<T> = (stack: string, output: string) => T;

interface Marks {
    /** Encrypted in the state. */
    readonly secret?: boolean;
    /** With keys of the user's own, and so perhaps without any. */
    readonly byName?: boolean;
}

class Unexpected extends Error {}

function convert<T>(
    stack: string,
    output: string,
    value: unknown,
    anything: boolean,
    kind: Kind<T>,
    absent: Absent<T>,
    marks: Marks,
): T {
    if (value === undefined || value === null) {
        if (!anything) {
            throw new pulumi.RunError(`Stack '${stack}' has no output '${output}', nor any other: it is not made yet, or is destroyed. Run \`pulumi up --stack ${stack}\` in the directory of auto-devops; or is another stack meant?`);
        }
        return absent(stack, output);
    }
    // This is what stands for a secret that cannot be decrypted (BatchDecrypt in pulumi v3.259.0, pkg/backend/secrets.go).
    if (!marks.byName && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0) {
        throw new pulumi.RunError(`Output '${output}' of stack '${stack}' is a secret that cannot be decrypted here. If that stack has a passphrase, PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) has to be the same: give it to this stack by \`pulumi stack change-secrets-provider passphrase\`, and set it. If it has a key in a cloud, log in there as somebody who may decrypt with it.`);
    }
    try {
        return kind(value, "");
    } catch (error) {
        if (!(error instanceof Unexpected)) {
            throw error;
        }
        const found = error.message;
        throw new pulumi.RunError(`Output '${output}' of stack '${stack}' is not what it should be: ${found}. Another version of auto-devops made that stack: run \`pulumi up --stack ${stack}\` with this reader's version, or take the reader of that one.`);
    }
}

function everyStack(since: string): Absent<never> {
    return (stack, output) => {
        throw new pulumi.RunError(`Stack '${stack}' has no output '${output}': it is there since version ${since} of auto-devops. Run \`pulumi up --stack ${stack}\` in a directory of auto-devops that has this version or a newer one.`);
    };
}

function withGitLab(since: string): Absent<never> {
    return (stack, output) => {
        throw new pulumi.RunError(`Stack '${stack}' has no output '${output}': it is there since version ${since} of auto-devops, in stacks with GitLab. In the directory of auto-devops, set gitlab.host if it is not (\`pulumi config set --stack ${stack} --path auto-devops:gitlab.host MACHINE\`), and run \`pulumi up --stack ${stack}\`; or do without it here.`);
    };
}

function withCluster(since: string): Absent<never> {
    return (stack, output) => {
        throw new pulumi.RunError(`Stack '${stack}' has no output '${output}': it is there since version ${since} of auto-devops, in stacks with a cluster. In the directory of auto-devops, set kubernetes.host if it is not (\`pulumi config set --stack ${stack} --path auto-devops:kubernetes.host MACHINE\`), and run \`pulumi up --stack ${stack}\`; or do without it here.`);
    };
}

/** Null is not kept in a stack's state: it is as if the output were not there. */
function nothing(): undefined {
    return undefined;
}

function wrong(place: string, expected: string): never {
    throw new Unexpected(place ? `${place}: it should be ${expected}` : `it should be ${expected}`);
}

function text(value: unknown, place: string): string {
    return typeof value === "string" ? value : wrong(place, "a text");
}

function whole(value: unknown, place: string): number {
    return typeof value === "number" && Number.isInteger(value) ? value : wrong(place, "a whole number");
}

function listOf<T>(kind: Kind<T>): Kind<readonly T[]> {
    return (value, place) =>
        Array.isArray(value) ? value.map((item, index) => kind(item, `${place}[${index}]`)) : wrong(place, "a list");
}

function below(place: string, key: string): string {
    return place ? `${place}.${key}` : key;
}

function entries(value: unknown, place: string): Map<string, unknown> {
    return typeof value === "object" && value !== null && !Array.isArray(value)
        ? new Map(Object.entries(value))
        : wrong(place, "an object");
}

function byName<T>(kind: Kind<T>): Kind<{ readonly [name: string]: T }> {
    return (value, place) => {
        const found: { [name: string]: T } = {};
        entries(value, place).forEach((item, name) => {
            found[name] = kind(item, below(place, name));
        });
        return found;
    };
}

function dockerClient(value: unknown, place: string): DockerClient {
    const found = entries(value, place);
    return {
        ca: text(found.get("ca"), below(place, "ca")),
        certificate: text(found.get("certificate"), below(place, "certificate")),
        key: text(found.get("key"), below(place, "key")),
    };
}

function project(value: unknown, place: string): Project {
    const found = entries(value, place);
    return {
        url: text(found.get("url"), below(place, "url")),
        serviceUrl: text(found.get("serviceUrl"), below(place, "serviceUrl")),
        cloneHttps: text(found.get("cloneHttps"), below(place, "cloneHttps")),
        cloneSsh: text(found.get("cloneSsh"), below(place, "cloneSsh")),
        branch: text(found.get("branch"), below(place, "branch")),
    };
}

function ingress(value: unknown, place: string): Ingress {
    const found = entries(value, place);
    return {
        http: text(found.get("http"), below(place, "http")),
        https: text(found.get("https"), below(place, "https")),
    };
}
