"""Calls on the photo, and the files themselves."""

from http import HTTPStatus

from flask import Blueprint, Response, current_app, send_from_directory
from werkzeug.datastructures import FileStorage

from workhub.accounts import photos
from workhub.auth import guard, schemas
from workhub.auth.blueprint import auth
from workhub.auth.guard import Current
from workhub.problems import Problem, ProblemType

uploads = Blueprint("uploads", __name__, url_prefix="/uploads")


@auth.patch("/photo")
@guard.access_token
@auth.arguments(schemas.Photo, location="files", as_kwargs=True)
@auth.response(200, schemas.Detail)
def set_photo(current: Current, photo: FileStorage) -> dict[str, str]:
    """Give the account a photo, in the place of the one before."""
    photos.replace(current.user_id, current.photo, photo.stream)
    return {"detail": schemas.DONE}


@auth.delete("/photo")
@guard.access_token
@auth.response(200)
def remove_photo(current: Current) -> None:
    """Leave the account without a photo."""
    photos.remove(current.user_id, current.photo)


@uploads.get("/<name>")
def serve(name: str) -> Response:
    """A photo. Its name never comes back with other content, so it may be kept for ever."""
    if not photos.FILE_NAME.fullmatch(name):
        raise Problem(ProblemType.NOT_FOUND)
    response = send_from_directory(
        current_app.config["UPLOAD_FOLDER"], name, mimetype=photos.MEDIA_TYPE
    )
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:  # If-Match: nobody may keep that
        response.close()
        raise Problem(ProblemType.REQUEST_INVALID)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Content-Disposition"] = "inline"
    return response
