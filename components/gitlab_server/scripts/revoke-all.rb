kept = PersonalAccessToken.find_by_token('@TOKEN@')
user = kept&.user || User.admins.active.order(:id).first || raise('no active administrator in this GitLab')
user.personal_access_tokens.active.where(name: 'auto-devops').each(&:revoke!)
