import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure, Page, useLoaded, Waiting, wordsFor } from "@/panels/Page";
import { api, type User } from "@/sync/api";

export function Projects(props: { user: User }): JSX.Element {
  const projects = useLoaded(api.projects, "projects");
  return (
    <Page user={props.user} title="Projects">
      <div class="stack">
        <h1>Projects</h1>
        {props.user.is_admin && <NewProject />}
        <Waiting of={projects} what="your projects" />
        {projects.value?.length === 0 && !props.user.is_admin && (
          <div class="empty">
            <h2>You are not in a project yet</h2>
            <p>Ask a project manager to add {props.user.username} to one.</p>
          </div>
        )}
        <div class="cards">
          {projects.value?.map((project) => (
            <a class="card" key={project.id} href={`/projects/${project.id}`}>
              <div class="body">
                <h2>{project.name}</h2>
                <p class="dim">
                  {count(project.scene_count, "scene")} ·{" "}
                  {count(project.open_task_count, "open task")}
                </p>
                <p>
                  <span class="badge">{project.role}</span>
                </p>
              </div>
            </a>
          ))}
        </div>
      </div>
    </Page>
  );
}

/** Admins make projects, with the standard classes; its team is chosen on its page. */
function NewProject(): JSX.Element {
  const [name, setName] = useState("");
  const [error, setError] = useState("");
  const make = async (event: Event) => {
    event.preventDefault();
    setError("");
    try {
      const made = await api.makeProject(name.trim());
      location.assign(`/projects/${made.id}/team`);
    } catch (failure) {
      setError(wordsFor(failure));
    }
  };
  return (
    <form class="row" onSubmit={make}>
      <input
        aria-label="Name of a new project"
        placeholder="New project"
        value={name}
        maxLength={100}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" disabled={!name.trim()}>
        Make project
      </button>
      <Failure words={error} />
    </form>
  );
}

/** As people say it: "0 bytes", "13.0 MB". */
export function inBytes(bytes: number): string {
  if (bytes < 1000) return count(bytes, "byte");
  const units = ["kB", "MB", "GB", "TB"];
  const step = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** step).toFixed(1)} ${units[step - 1]}`;
}

export const count = (n: number, what: string): string =>
  `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
