"""What helps to decide on an applicant, in short lines on their card."""
