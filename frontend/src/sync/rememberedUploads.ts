// Which upload a file on this computer belongs to, so that one that broke off goes on after a
// reload, or tomorrow. The server knows how far it has got; this browser only knows its number.

import { ApiError, api, type Upload } from "@/sync/api";

const keyOf = (project: number, file: File): string =>
  `masklet.upload:${project}:${file.name}:${file.size}:${file.lastModified}`;

/** The upload that this very file began, or a new one. */
export async function uploadFor(project: number, file: File): Promise<Upload> {
  const known = Number(localStorage.getItem(keyOf(project, file)));
  if (known) {
    const upload = await api.upload(known).catch((failure: unknown) => {
      if (failure instanceof ApiError && failure.status === 404) return null; // cleared away
      throw failure;
    });
    if (upload?.size === file.size) return upload;
  }
  const upload = await api.beginUpload(project, file.name, file.size);
  localStorage.setItem(keyOf(project, file), String(upload.id));
  return upload;
}

/** Whether some of this file may be with the server already. */
export const isRemembered = (project: number, file: File): boolean =>
  localStorage.getItem(keyOf(project, file)) !== null;

export function forgetUpload(project: number, file: File): void {
  localStorage.removeItem(keyOf(project, file));
}
