"""Labels as files: written as a job, kept in object storage, downloaded by those who may."""
