"""manage.py export_labels SCENE... --format F OUT: the labels of scenes as files."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.exports.actions import NotExportable, wish, write_export, zip_folder
from backend.exports.formats import FORMATS
from backend.scenes.queries import NoSuchScene, scene_named
from inference.scene import BadScene


class Command(BaseCommand):
    help = "Write the labels of scenes to a folder, or to one file when OUT ends in .zip."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenes", nargs="+", metavar="SCENE", help="id or name of a scene")
        parser.add_argument("out", metavar="OUT", help="a new folder, or a new file NAME.zip")
        parser.add_argument("--format", required=True, choices=sorted(FORMATS))
        parser.add_argument(
            "--include-unreviewed",
            action="store_true",
            help="also scenes that no reviewer has accepted; the export is marked",
        )
        parser.add_argument(
            "--with-readings",
            action="store_true",
            help="native: images and sweeps too, so that it can be imported elsewhere",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        out = Path(options["out"])
        try:
            wanted = wish(
                options["format"],
                include_unreviewed=options["include_unreviewed"],
                with_readings=options["with_readings"],
            )
            scenes = [scene_named(text) for text in options["scenes"]]
            if out.exists():
                raise NotExportable(f"{out} exists already; name a new folder or file")
            out.absolute().parent.mkdir(parents=True, exist_ok=True)
            # Aside, on the same disk, and renamed when it is whole.
            aside = Path(
                tempfile.mkdtemp(dir=out.absolute().parent, prefix=f".{out.name}-arriving-")
            )
            try:
                folder = aside / "files"
                folder.mkdir()
                report = write_export(scenes, wanted, folder, progress=self.progress)
                whole = folder
                if out.suffix == ".zip":
                    whole = aside / "archive.zip"
                    zip_folder(folder, whole)
                os.rename(whole, out)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except (NotExportable, NoSuchScene, BadScene, OSError) as error:
            raise CommandError(str(error)) from error
        for scene in report["scenes"]:
            for sentence, times in scene["notes"].items():
                self.stdout.write(f"{scene['scene']}: {sentence} ({times} times)")
        self.stdout.write(f"{out}: {report['summary']}")

    def progress(self, done: int, total: int, what: str) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            self.stderr.write(f"\r{done}/{total} frames", ending=end)
