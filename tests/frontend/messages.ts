import type { LabelsChanged } from "@/protocol/messages";

/** News of one revision that says nothing but `fields`. */
export const news = (
  from_revision: number,
  fields: Partial<LabelsChanged> = {},
): LabelsChanged => ({
  type: "labels_changed",
  from_revision,
  revision: from_revision + 1,
  operation_id: null,
  by: null,
  tracks: [],
  deleted_tracks: [],
  masks: [],
  deleted_masks: [],
  cuboids: [],
  deleted_cuboids: [],
  ...fields,
});
