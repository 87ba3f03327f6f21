"""Why there is no blob to read in a folder, and what to do."""

from infra.search.definitions import Definitions
from infra.search.parameters import read_parameters
from infra.search.trial.folder import Listing
from infra.search.trial.projections import keeps_parents
from shared.terminal import printable

NAMED = 10
"""Folders that are named to who asked for one that is not there."""

READ = {"images": "images", "documents": "documents that hold images"}


def why_nothing(listing: Listing, definitions: Definitions) -> str:
    """A sentence or two for a listing without blobs."""
    said = (_other_endings if listing.left_out else _no_files)(listing, definitions)
    if listing.closed:
        said += f" What is in these folders is not known, for they cannot be opened: {', '.join(listing.closed)}."
    return printable(f"There is no blob to read: {said}")


def endings(left_out: dict[str, int]) -> str:
    """How many files of which endings."""
    return ", ".join(f"{count:,} {ending or 'without ending'}" for ending, count in left_out.items())


def _no_files(listing: Listing, definitions: Definitions) -> str:
    virtual = (definitions.data_source["container"].get("query") or "").strip("/")
    if not virtual or (listing.root / virtual).is_dir():
        return f"{listing.root / virtual} has no files. Hidden files and links do not count."
    there = sorted(one.name for one in listing.root.iterdir() if one.is_dir() and not one.name.startswith("."))
    some = f" It has {', '.join(there[:NAMED])}{' …' if len(there) > NAMED else ''}." if there else ""
    return f"{listing.root} has no folder {virtual}, which --set folder asks for.{some}"


def _other_endings(listing: Listing, definitions: Definitions) -> str:
    """Files of the other shape are what a newcomer has most often."""
    configuration = definitions.indexer["parameters"]["configuration"]
    shape, other = ("images", "documents") if keeps_parents(definitions) else ("documents", "images")
    others = str(read_parameters({"shape": other}, None, {}, local=True)["extensions"]).split(",")
    read = configuration.get("indexedFileNameExtensions") or "all files"
    said = f"{listing.root} has {endings(listing.left_out)}, and {read} are read."
    if any(ending in others for ending in listing.left_out):
        return f"{said} This is the shape for {READ[shape]}; for {READ[other]}: --set shape={other}."
    return f"{said} --set extensions=… names other endings."
