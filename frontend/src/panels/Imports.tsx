import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { JobRow } from "@/panels/Jobs";
import { Failure, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { inBytes } from "@/panels/Projects";
import { api, isRunning, type Project, sendFile } from "@/sync/api";
import { forgetUpload, isRemembered, uploadFor } from "@/sync/rememberedUploads";

export function Imports(props: { project: Project }): JSX.Element {
  const { project } = props;
  const jobs = useLoaded(
    () => api.jobs(project.id, "import", "demo"),
    project.id,
    (list) => list.some(isRunning),
  );
  return (
    <section aria-label="Imports" class="stack">
      <NewImport project={project} onStarted={jobs.reload} />
      <Waiting of={jobs} what="earlier imports" />
      {jobs.value?.length === 0 && <p class="dim">Nothing has been imported yet.</p>}
      {jobs.value?.map((job) => (
        <JobRow key={job.id} job={job} onChange={jobs.reload}>
          {job.state === "done" &&
            job.scene_ids.map((scene) => (
              <a class="button" key={scene} href={`/scenes/${scene}`}>
                Open scene
              </a>
            ))}
        </JobRow>
      ))}
    </section>
  );
}

function NewImport(props: { project: Project; onStarted: () => void }): JSX.Element {
  const isAdmin = props.project.role === "admin";
  const formats = useLoaded(api.importFormats, "formats");
  const [chosen, setFormat] = useState("");
  const format = chosen || (formats.value?.[0]?.name ?? "");
  const [from, setFrom] = useState<"upload" | "server">("upload");
  return (
    <div class="panel stack">
      <h2>Import a recording</h2>
      <div class="row">
        <label class="field">
          Format
          <select value={format} onChange={(event) => setFormat(event.currentTarget.value)}>
            {formats.value?.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </label>
        {isAdmin && (
          <label class="field">
            From
            <select
              value={from}
              onChange={(event) => setFrom(event.currentTarget.value as "upload" | "server")}
            >
              <option value="upload">a file on this computer</option>
              <option value="server">a folder of the server</option>
            </select>
          </label>
        )}
      </div>
      <Waiting of={formats} what="the formats" />
      <p class="dim">{formats.value?.find(({ name }) => name === format)?.description}</p>
      {from === "upload" ? (
        <FromFile {...props} format={format} />
      ) : (
        <FromServer {...props} format={format} />
      )}
    </div>
  );
}

function FromFile(props: { project: Project; format: string; onStarted: () => void }): JSX.Element {
  const project = props.project.id;
  const [file, setFile] = useState<File | null>(null);
  const [sent, setSent] = useState<number | null>(null); // null: nothing is under way
  const [error, setError] = useState("");
  const stop = useRef<AbortController | null>(null);
  const field = useRef<HTMLInputElement>(null);
  useLeaveWarning(sent !== null);
  useEffect(() => () => stop.current?.abort(), []);

  const choose = (next: File | null) => {
    setFile(next);
    setError("");
    if (!next && field.current) field.current.value = "";
  };
  const start = async (chosen: File) => {
    stop.current = new AbortController();
    const { signal } = stop.current;
    setError("");
    setSent(0);
    try {
      const upload = await uploadFor(project, chosen);
      await sendFile(upload, chosen, setSent, signal);
      await api.startImport(project, { format: props.format, upload: upload.id });
      forgetUpload(project, chosen);
      choose(null);
      props.onStarted();
    } catch (failure) {
      if (!signal.aborted) setError(wordsFor(failure));
    }
    setSent(null);
  };

  return (
    <div class="stack">
      <label class="field">
        File
        <input
          ref={field}
          type="file"
          accept=".tfrecord,.zip,.tar"
          disabled={sent !== null}
          onChange={(event) => choose(event.currentTarget.files?.[0] ?? null)}
        />
      </label>
      {sent !== null && file && (
        <>
          <progress value={sent} max={file.size} aria-label="Upload" />
          <p class="dim">
            {inBytes(sent)} of {inBytes(file.size)}
          </p>
        </>
      )}
      <Failure words={error} />
      <div class="row">
        {sent === null ? (
          <button
            type="button"
            class="primary"
            disabled={!file}
            onClick={() => file && start(file)}
          >
            {file && isRemembered(project, file) ? "Resume upload" : "Upload and import"}
          </button>
        ) : (
          <button type="button" onClick={() => stop.current?.abort()}>
            Pause
          </button>
        )}
        {sent === null && file && (
          <button type="button" class="quiet" onClick={() => choose(null)}>
            Choose another
          </button>
        )}
        <span class="dim">
          An upload that breaks off goes on where it stopped: choose the same file again.
        </span>
      </div>
    </div>
  );
}

/** Leaving the page would break the upload off: ask first. */
function useLeaveWarning(isNeeded: boolean): void {
  useEffect(() => {
    if (!isNeeded) return;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isNeeded]);
}

function FromServer(props: {
  project: Project;
  format: string;
  onStarted: () => void;
}): JSX.Element {
  const [path, setPath] = useState("");
  const [chosen, setChosen] = useState("");
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  const folder = useLoaded(() => api.importFolder(props.project.id, path), path);
  const roots = folder.value?.roots ?? [];
  const entries = folder.value?.entries ?? [];
  const missing = path ? [] : roots.filter((root) => !entries.some((entry) => entry.path === root));
  const open = (next: string) => {
    setPath(next);
    setChosen("");
    setError("");
  };
  const start = async () => {
    setError("");
    setBusy(true);
    try {
      await api.startImport(props.project.id, { format: props.format, path: chosen || path });
      setChosen(""); // a second press would ask for it again
      props.onStarted();
    } catch (failure) {
      setError(wordsFor(failure));
    }
    setBusy(false);
  };
  if (folder.value && roots.length === 0) {
    return (
      <p class="notice">
        No folder of the server is open for imports. Whoever runs it names them in
        MASKLET_IMPORT_ROOTS and starts it again.
      </p>
    );
  }
  return (
    <div class="stack">
      <div class="row">
        <button type="button" disabled={!path} onClick={() => open(folderAbove(path, roots))}>
          Up
        </button>
        <span class="dim">{path || "Choose a folder or a file"}</span>
      </div>
      <Waiting of={folder} what="the folder" />
      {missing.length > 0 && (
        <p class="notice">
          {missing.join(", ")}: named in MASKLET_IMPORT_ROOTS, but no folder of the server.
        </p>
      )}
      <div class="folder">
        {path && folder.value?.entries.length === 0 && <p class="dim">This folder is empty.</p>}
        {entries.map((entry) => (
          <button
            type="button"
            key={entry.path}
            aria-pressed={entry.path === chosen}
            onClick={() => (entry.is_folder ? open(entry.path) : setChosen(entry.path))}
          >
            {entry.is_folder ? `${entry.name}/` : `${entry.name} · ${inBytes(entry.size)}`}
          </button>
        ))}
      </div>
      <Failure words={error} />
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={isBusy || (!chosen && !path)}
          onClick={start}
        >
          Import {chosen ? "this file" : "this folder"}
        </button>
      </div>
    </div>
  );
}

/** "": the list of roots, above which nothing is shown. */
export function folderAbove(path: string, roots: readonly string[]): string {
  return roots.includes(path) ? "" : path.slice(0, path.lastIndexOf("/"));
}
