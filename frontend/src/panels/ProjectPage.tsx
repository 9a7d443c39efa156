import type { JSX } from "preact";
import { Classes } from "@/panels/Classes";
import { Exports } from "@/panels/Exports";
import { Figures } from "@/panels/Figures";
import { Guidelines } from "@/panels/Guidelines";
import { Imports } from "@/panels/Imports";
import { Page, useLoaded, Waiting } from "@/panels/Page";
import { Predictors } from "@/panels/Predictors";
import { Quality } from "@/panels/Quality";
import { Scenes } from "@/panels/Scenes";
import { Tasks } from "@/panels/Tasks";
import { Team } from "@/panels/Team";
import { Webhooks } from "@/panels/Webhooks";
import { api, mayManage, type Project, type Role, type User } from "@/sync/api";

export type Tab =
  | "scenes"
  | "tasks"
  | "figures"
  | "quality"
  | "team"
  | "classes"
  | "guidelines"
  | "imports"
  | "exports"
  | "predictor"
  | "webhooks";
const TITLES: Record<Tab, string> = {
  scenes: "Scenes",
  tasks: "Tasks",
  figures: "Figures",
  quality: "Quality",
  team: "Team",
  classes: "Classes",
  guidelines: "Guidelines",
  imports: "Imports",
  exports: "Exports",
  predictor: "Predictor",
  webhooks: "Webhooks",
};

export const isTab = (name: string): name is Tab => Object.hasOwn(TITLES, name);

/** What a role has no business with is not shown; the server refuses it anyway. */
export function tabsFor(role: Role): Tab[] {
  return mayManage(role)
    ? [
        "scenes",
        "tasks",
        "figures",
        "quality",
        "team",
        "classes",
        "guidelines",
        "imports",
        "exports",
        "predictor",
        "webhooks",
      ]
    : ["scenes", "tasks", "team", "classes", "guidelines", "predictor"];
}

export function ProjectPage(props: { user: User; id: number; tab: Tab }): JSX.Element {
  const project = useLoaded(() => api.project(props.id), props.id);
  return (
    <Page user={props.user} title={project.value?.name ?? "Project"}>
      <Waiting of={project} what="the project" />
      {project.error && !project.value && <a href="/">Back to your projects</a>}
      {project.value && <Content project={project.value} user={props.user} tab={props.tab} />}
    </Page>
  );
}

function Content(props: { project: Project; user: User; tab: Tab }): JSX.Element {
  const { project } = props;
  const tabs = tabsFor(project.role);
  const tab = tabs.includes(props.tab) ? props.tab : "scenes";
  return (
    <>
      <p>
        <a href="/">Projects</a>
      </p>
      <div class="row">
        <h1>{project.name}</h1>
        <span class="badge">{project.role}</span>
      </div>
      {project.attribution && <p class="dim">{project.attribution}</p>}
      <nav class="tabs" aria-label="Project">
        {tabs.map((name) => (
          <a
            key={name}
            href={`/projects/${project.id}/${name}`}
            aria-current={name === tab ? "page" : undefined}
          >
            {TITLES[name]}
          </a>
        ))}
      </nav>
      {tab === "scenes" && <Scenes project={project} />}
      {tab === "tasks" && <Tasks project={project} />}
      {tab === "figures" && <Figures project={project} />}
      {tab === "quality" && <Quality project={project} />}
      {tab === "team" && <Team project={project} user={props.user} />}
      {tab === "classes" && <Classes project={project} />}
      {tab === "guidelines" && <Guidelines project={project} />}
      {tab === "imports" && <Imports project={project} />}
      {tab === "exports" && <Exports project={project} />}
      {tab === "predictor" && <Predictors project={project} />}
      {tab === "webhooks" && <Webhooks project={project} />}
    </>
  );
}
