// Command lines of jobs as pipelines have them for kaniko: GitLab, Tekton, Argo, plain Jobs. CONTEXT is the context's folder,
// REGISTRY a registry, OUT a folder for results; the base image is REGISTRY/base.

export interface JobVector {
  readonly name: string;
  readonly args: readonly string[];
  /** Builds the Dockerfile with RUN, not the one without. */
  readonly runs: boolean;
  /** Repositories that have the image then, with a tag each. */
  readonly pushed: readonly string[];
  /** Files below OUT that are there then. */
  readonly files?: readonly string[];
}

/** A job without RUN, and the same with: on the level where no RUN works it must fail, elsewhere be right. */
function both(
  name: string,
  args: readonly string[],
  pushed: readonly string[],
  files: readonly string[] = [],
): JobVector[] {
  return [
    { name, args, runs: false, pushed, files },
    { name: `${name}, with RUN`, args: [...args, "--dockerfile=Dockerfile.run"], runs: true, pushed, files },
  ];
}

export const VECTORS: readonly JobVector[] = [
  ...both("plain", ["--context=CONTEXT", "--destination=REGISTRY/NAME:1"], ["NAME:1"]),
  ...both("short flags", ["-c", "dir://CONTEXT", "-d", "REGISTRY/NAME:1"], ["NAME:1"]),
  ...both("GitLab's documentation", ["--context", "CONTEXT", "--destination", "REGISTRY/group/NAME:v1.2.3", "--insecure"], ["group/NAME:v1.2.3"]), // prettier-ignore
  ...both("GitLab with a cache", ["--context", "CONTEXT", "--destination", "REGISTRY/group/NAME:abc", "--destination", "REGISTRY/group/NAME:latest", "--cache=true", "--cache-repo", "REGISTRY/group/NAME/cache", "--cache-ttl=24h"], ["group/NAME:abc", "group/NAME:latest"]), // prettier-ignore
  ...both("GitLab with labels", ["--context", "CONTEXT", "--destination", "REGISTRY/NAME:1", "--label", "org.opencontainers.image.revision=abc", "--label=a=b c", "--build-arg", "VERSION=3", "--verbosity=info", "--log-format=text", "--log-timestamp"], ["NAME:1"]), // prettier-ignore
  ...both("Tekton's task", ["--context=CONTEXT/./", "--destination=REGISTRY/NAME", "--digest-file=OUT/digest", "--image-name-with-digest-file=OUT/url", "--image-name-tag-with-digest-file=OUT/tagged"], ["NAME:latest"], ["digest", "url", "tagged"]), // prettier-ignore
  ...both("Argo's step", ["--context=CONTEXT", "--destination=REGISTRY/NAME:wf-1", "--snapshotMode=redo", "--use-new-run", "--skip-tls-verify", "--cleanup"], ["NAME:wf-1"]), // prettier-ignore
  ...both("an archive beside the push", ["--context=CONTEXT", "--destination=REGISTRY/NAME:1", "--tarPath=OUT/image.tar", "--oci-layout-path=OUT/layout"], ["NAME:1"], ["image.tar", "layout/index.json"]), // prettier-ignore
  ...both("no push", ["--context=CONTEXT", "--no-push", "--tar-path=OUT/image.tar", "--destination=REGISTRY/NAME:1"], [], ["image.tar"]), // prettier-ignore
  ...both("an archive as context", ["--context=tar://CONTEXT.tar.gz", "--destination=REGISTRY/NAME:1", "--force", "--single-snapshot"], ["NAME:1"]), // prettier-ignore
  ...both("a folder of the context", ["--context=dir://CONTEXT/..", "--context-sub-path=context", "--destination=REGISTRY/NAME:1", "--ignore-path=/scratch"], ["NAME:1"]), // prettier-ignore
  ...both("a stage", ["-c=CONTEXT", "--target=final", "-d=REGISTRY/NAME:1", "--skip-unused-stages", "--compressed-caching=false"], ["NAME:1"]), // prettier-ignore
  ...both("mirrors and retries", ["-c=CONTEXT", "-d=REGISTRY/NAME:1", "--registry-map=quay.example=REGISTRY", "--push-retry=3", "--image-download-retry=2", "--image-fs-extract-retry=1", "--skip-push-permission-check"], ["NAME:1"]), // prettier-ignore
  ...both("zstd", ["-c=CONTEXT", "-d=REGISTRY/NAME:1", "--compression=zstd", "--compression-level=3"], ["NAME:1"]),
  ...both("Docker's media types", ["-c=CONTEXT", "-d=REGISTRY/NAME:1", "--image-format=docker", "--push-ignore-immutable-tag-errors"], ["NAME:1"]), // prettier-ignore
];
